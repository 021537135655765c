// Tries in turns what is allowed and what is forbidden, and counts what became of each: what is refused must fail, must leave
// nothing behind, and must not disturb what is allowed. Prints one line of JSON: {"allowed":{...},"forbidden":{...}}.
// An exec is forbidden by its first argument, a connection or listener by its port.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif
#define errnos 256

// In memory all workers share.
struct outcome {
  int tried, succeeded, killed, other;
  // Effects seen though the call is meant to leave none: a program's first write, a socket that listens.
  int effects;
  int failed[errnos];
};

static struct outcome *outcomes;

static void add(int *to) {
  __sync_add_and_fetch(to, 1);
}

static void count(struct outcome *into, int error) {
  add(&into->tried);
  if (error == 0) add(&into->succeeded);
  else add(&into->failed[error < errnos ? error : errnos - 1]);
}

static void count_status(struct outcome *into, int status) {
  if (WIFEXITED(status)) return count(into, WEXITSTATUS(status));
  add(&into->tried);
  add(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL ? &into->killed : &into->other);
}

static void print_outcome(const char *name, const struct outcome *of, const char *end) {
  printf("\"%s\":{\"tried\":%d,\"succeeded\":%d,\"killed\":%d,\"other\":%d,\"effects\":%d,\"failed\":{", name, of->tried,
         of->succeeded, of->killed, of->other, of->effects);
  for (int i = 0, first = 1; i < errnos; i++) {
    if (!of->failed[i]) continue;
    printf("%s\"%d\":%d", first ? "" : ",", i, of->failed[i]);
    first = 0;
  }
  printf("}}%s", end);
}

// --- exec

static char *const environment[] = {"PATH=/bin:/sbin", 0};

static void *exec_in_thread(void *argv) {
  char **words = argv;
  execve(words[0], words, environment);
  _exit(errno);
}

static void *idle(void *nothing) {
  for (;;) pause();
  return nothing;
}

static void start_program(const char *how, char **words) {
  pthread_t thread;
  if (!strcmp(how, "threads")) {
    for (int i = 0; i < 3; i++) pthread_create(&thread, 0, idle, 0);
    pthread_create(&thread, 0, exec_in_thread, words);
    for (;;) pause();
  }
  if (!strcmp(how, "handle")) {
    int program = open(words[0], O_RDONLY | O_CLOEXEC);
    syscall(SYS_execveat, program, "", words, environment, 0x1000 /* AT_EMPTY_PATH */);
  } else if (!strcmp(how, "user")) {
    if (setgid(1000) || setuid(1000)) _exit(99);
    execve(words[0], words, environment);
  } else {
    execve(words[0], words, environment);
  }
  _exit(errno);
}

static void exec_once(const char *how, const char *program, int forbidden) {
  struct outcome *into = &outcomes[forbidden];
  char *words[] = {(char *)program, forbidden ? "forbidden" : "allowed", 0};
  int effect[2], status;
  if (pipe2(effect, O_NONBLOCK)) exit(1);
  pid_t pid;
  if (!strcmp(how, "vfork")) {
    dup2(effect[1], 9);
    pid = vfork();
    if (pid == 0) {
      execve(program, words, environment);
      _exit(errno);
    }
    close(9);
  } else {
    pid = fork();
    if (pid == 0) {
      dup2(effect[1], 9);
      start_program(how, words);
    }
  }
  waitpid(pid, &status, 0);
  char byte;
  if (read(effect[0], &byte, 1) == 1) add(&into->effects);
  close(effect[0]);
  close(effect[1]);
  count_status(into, status);
}

// --- connections

static socklen_t address_of(struct sockaddr_storage *to, const char *text, int port) {
  memset(to, 0, sizeof *to);
  struct sockaddr_in *four = (void *)to;
  struct sockaddr_in6 *six = (void *)to;
  if (strchr(text, ':')) {
    six->sin6_family = AF_INET6;
    six->sin6_port = htons((uint16_t)port);
    if (inet_pton(AF_INET6, text, &six->sin6_addr) != 1) exit(1);
    return sizeof *six;
  }
  four->sin_family = AF_INET;
  four->sin_port = htons((uint16_t)port);
  if (inet_pton(AF_INET, text, &four->sin_addr) != 1) exit(1);
  return sizeof *four;
}

// One request through a ring of its own; `flags` may ask for a worker thread of the kernel's.
static int ring_connect(int fd, const struct sockaddr_storage *to, socklen_t length, unsigned char flags) {
  struct io_uring_params params = {0};
  int ring = (int)syscall(SYS_io_uring_setup, 2, &params);
  if (ring < 0) return errno;
  size_t queue_bytes = params.sq_off.array + params.sq_entries * sizeof(unsigned);
  size_t done_bytes = params.cq_off.cqes + params.cq_entries * sizeof(struct io_uring_cqe);
  char *queue = mmap(0, queue_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_SQ_RING);
  char *done = mmap(0, done_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_CQ_RING);
  struct io_uring_sqe *entry =
      mmap(0, params.sq_entries * sizeof *entry, PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_SQES);
  *entry = (struct io_uring_sqe){
      .opcode = IORING_OP_CONNECT, .fd = fd, .addr = (unsigned long)to, .off = length, .flags = flags};
  *(unsigned *)(queue + params.sq_off.array) = 0;
  __atomic_store_n((unsigned *)(queue + params.sq_off.tail), 1, __ATOMIC_RELEASE);
  int error = syscall(SYS_io_uring_enter, ring, 1, 1, IORING_ENTER_GETEVENTS, 0, 0) < 0 ? errno : 0;
  if (error == 0) error = -((struct io_uring_cqe *)(done + params.cq_off.cqes))->res;
  munmap(entry, params.sq_entries * sizeof *entry);
  munmap(done, done_bytes);
  munmap(queue, queue_bytes);
  close(ring);
  return error;
}

static int connect_by(const char *how, const char *address, int port) {
  struct sockaddr_storage to;
  socklen_t length = address_of(&to, address, port);
  int datagram = !strcmp(how, "udp") || !strcmp(how, "sendto");
  int s = socket(to.ss_family, datagram ? SOCK_DGRAM : SOCK_STREAM, !strcmp(how, "mptcp") ? IPPROTO_MPTCP : 0);
  int error = 0;
  if (!strcmp(how, "sendto") || !strcmp(how, "fastopen")) {
    int flags = datagram ? 0 : MSG_FASTOPEN;
    error = sendto(s, "x", 1, flags, (void *)&to, length) < 0 ? errno : 0;
  } else if (!strcmp(how, "ring")) {
    error = ring_connect(s, &to, length, 0);
  } else if (!strcmp(how, "ring-worker")) {
    error = ring_connect(s, &to, length, IOSQE_ASYNC);
  } else {
    error = connect(s, (void *)&to, length) ? errno : 0;
    if (!error && !strcmp(how, "udp")) error = send(s, "x", 1, 0) < 0 ? errno : 0;
  }
  close(s);
  return error;
}

// --- listeners

static void listen_once(const char *how, int port, int forbidden) {
  struct outcome *into = &outcomes[forbidden];
  int datagram = !strcmp(how, "bind"), yes = 1, listening = 0;
  socklen_t size = sizeof listening;
  struct sockaddr_storage at;
  socklen_t length = address_of(&at, !strcmp(how, "listen6") ? "::" : "0.0.0.0", port);
  int s = socket(at.ss_family, datagram ? SOCK_DGRAM : SOCK_STREAM, !strcmp(how, "mptcp") ? IPPROTO_MPTCP : 0);
  setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  setsockopt(s, SOL_SOCKET, SO_REUSEPORT, &yes, sizeof yes);
  int error = bind(s, (void *)&at, length) ? errno : 0;
  if (!error && !datagram) error = listen(s, 4) ? errno : 0;
  if (!datagram) getsockopt(s, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size);
  else if (getsockname(s, (void *)&at, &length) == 0) listening = ((struct sockaddr_in *)&at)->sin_port != 0;
  if (listening) add(&into->effects);
  count(into, error);
  close(s);
}

// Accepts whatever comes and lets it go; the last word of a connection is always its own.
static int serve(int port) {
  struct sockaddr_storage at;
  socklen_t length = address_of(&at, "::", port);
  int listener = socket(AF_INET6, SOCK_STREAM, 0), yes = 1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  if (bind(listener, (void *)&at, length) || listen(listener, 128)) return 1;
  for (;;) close(accept(listener, 0, 0));
}

// --- commands: HOW TURNS WORKERS and then what is tried

static void turn(const char *what, const char *how, char **args, int forbidden) {
  if (!strcmp(what, "exec")) exec_once(how, args[0], forbidden);
  else if (!strcmp(what, "connect")) count(&outcomes[forbidden], connect_by(how, args[0], atoi(args[1 + forbidden])));
  else listen_once(how, atoi(args[forbidden]), forbidden);
}

// mixed: PROGRAM ADDRESS ALLOWED-PORT FORBIDDEN-PORT, and the ports of listeners next to them.
static void mixed_turn(int number, char **args, int forbidden) {
  char ports[2][16];
  for (int i = 0; i < 2; i++) snprintf(ports[i], sizeof ports[i], "%d", atoi(args[2 + i]) + 1);
  char *to[] = {args[1], args[2], args[3]}, *at[] = {ports[0], ports[1]};
  switch (number % 4) {
    case 0: return turn("exec", "fork", args, forbidden);
    case 1: return turn("connect", "tcp", to, forbidden);
    case 2: return turn("exec", "vfork", args, forbidden);
    default: return turn("listen", "listen", at, forbidden);
  }
}

int main(int argc, char **argv) {
  if (argc == 3 && !strcmp(argv[1], "serve")) return serve(atoi(argv[2]));
  if (argc < 6) {
    fputs("usage: attempts serve PORT | exec|connect|listen|mixed HOW TURNS WORKERS ARGS\n", stderr);
    return 2;
  }
  outcomes = mmap(0, 2 * sizeof *outcomes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  int turns = atoi(argv[3]), workers = atoi(argv[4]);
  for (int w = 0; w < workers; w++) {
    if (fork()) continue;
    srandom((unsigned)w + 1);
    for (int i = 0; i < turns; i++) {
      // Without an order that a handler could get right by habit; each of the two about half of the time.
      int forbidden = (int)(random() >> 8) & 1;
      if (!strcmp(argv[1], "mixed")) mixed_turn(i, argv + 5, forbidden);
      else turn(argv[1], argv[2], argv + 5, forbidden);
    }
    _exit(0);
  }
  while (wait(0) > 0) continue;
  putchar('{');
  print_outcome("allowed", &outcomes[0], ",");
  print_outcome("forbidden", &outcomes[1], "}\n");
  return 0;
}

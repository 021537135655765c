// Known behaviour on demand: every subcommand makes one kind of process or socket that a test can then look for from outside.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const char *self = "/proc/self/exe";

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

__attribute__((noreturn)) static int hold(void) {
  for (;;) pause();
}

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static struct sockaddr_in ipv4(const char *address, const char *port) {
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
  if (inet_pton(AF_INET, address, &to.sin_addr) != 1) fail(address);
  return to;
}

static void exec_once(void) {
  pid_t pid = vfork();
  if (pid == 0) {
    execl(self, "workload", "exit", (char *)0);
    _exit(1);
  }
  waitpid(pid, 0, 0);
}

static int cmd_exit(char **args) {
  return args[0] ? atoi(args[0]) : 0;
}

static int cmd_hold(char **args) {
  if (args[0]) return (int)sleep((unsigned)atoi(args[0]));
  return hold();
}

static int cmd_spin(char **args) {
  (void)args;
  volatile long turns = 0;
  while (turns >= 0) turns = (turns + 1) & 0xffff;
  return 0;
}

static int cmd_children(char **args) {
  for (int i = 0, n = atoi(args[0]); i < n; i++) {
    if (fork() == 0) {
      setsid();
      prctl(PR_SET_NAME, "sleeper");
      hold();
    }
  }
  return 0;
}

static void *thread_life(void *nothing) {
  (void)nothing;
  hold();
  return 0;
}

static int cmd_threads(char **args) {
  for (int i = 0, n = atoi(args[0]); i < n; i++) {
    pthread_t thread;
    if (pthread_create(&thread, 0, thread_life, 0)) fail("pthread_create");
  }
  return hold();
}

static int cmd_execs(char **args) {
  int n = atoi(args[0]), gap_ms = args[1] ? atoi(args[1]) : 0;
  double start = now();
  for (int i = 0; i < n; i++) {
    exec_once();
    if (gap_ms) usleep((useconds_t)gap_ms * 1000);
  }
  double took = now() - start;
  printf("execs=%d seconds=%.3f micros_each=%.1f\n", n, took, took / n * 1e6);
  return 0;
}

static int cmd_churn(char **args) {
  double end = now() + atof(args[0]);
  int workers = args[1] ? atoi(args[1]) : 1;
  for (int w = 0; w < workers; w++) {
    if (fork() == 0) {
      while (now() < end) exec_once();
      _exit(0);
    }
  }
  while (wait(0) > 0) continue;
  return 0;
}

static int bound_socket(int family, int type, int port) {
  int s = socket(family, type, 0), yes = 1;
  setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  struct sockaddr_in six_or_four = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
  int bad = family == AF_INET6 ? bind(s, (void *)&six, sizeof six) : bind(s, (void *)&six_or_four, sizeof six_or_four);
  if (bad) fail("bind");
  if (type == SOCK_STREAM && listen(s, 16)) fail("listen");
  return s;
}

static int cmd_listen(char **args) {
  for (int i = 0; args[i]; i++) bound_socket(AF_INET, SOCK_STREAM, atoi(args[i]));
  return hold();
}

static int cmd_listen6(char **args) {
  for (int i = 0; args[i]; i++) bound_socket(AF_INET6, SOCK_STREAM, atoi(args[i]));
  return hold();
}

static int cmd_udp(char **args) {
  for (int i = 0; args[i]; i++) bound_socket(AF_INET, SOCK_DGRAM, atoi(args[i]));
  return hold();
}

static int cmd_connect(char **args) {
  int s = socket(AF_INET, SOCK_STREAM, 0);
  struct sockaddr_in to = ipv4(args[0], args[1]);
  if (connect(s, (void *)&to, sizeof to)) fail("connect");
  if (args[2]) {
    sleep((unsigned)atoi(args[2]));
    return 0;
  }
  return hold();
}

static int cmd_connects(char **args) {
  struct sockaddr_in to = ipv4(args[0], args[1]);
  int n = atoi(args[2]);
  for (int i = 0; i < n; i++) {
    int s = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(s, (void *)&to, sizeof to)) fail("connect");
    close(s);
  }
  printf("connects=%d\n", n);
  return 0;
}

// Accepts and closes whatever connects.
static int cmd_sink(char **args) {
  int listener = bound_socket(AF_INET, SOCK_STREAM, atoi(args[0]));
  for (;;) {
    int s = accept(listener, 0, 0);
    if (s >= 0) close(s);
  }
}

static int cmd_connect6(char **args) {
  struct sockaddr_in6 to = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)atoi(args[1]))};
  if (inet_pton(AF_INET6, args[0], &to.sin6_addr) != 1) fail(args[0]);
  int s = socket(AF_INET6, SOCK_STREAM, 0);
  if (connect(s, (void *)&to, sizeof to)) fail("connect");
  return 0;
}

static int cmd_udp_connect(char **args) {
  struct sockaddr_in to = ipv4(args[0], args[1]);
  int s = socket(AF_INET, SOCK_DGRAM, 0);
  if (connect(s, (void *)&to, sizeof to)) fail("connect");
  return 0;
}

// One listener on the loopback with one accepted connection to it, all held by this process.
static int cmd_pair(char **args) {
  int listener = bound_socket(AF_INET, SOCK_STREAM, atoi(args[0]));
  int s = socket(AF_INET, SOCK_STREAM, 0);
  struct sockaddr_in to = ipv4("127.0.0.1", args[0]);
  if (connect(s, (void *)&to, sizeof to)) fail("connect");
  if (accept(listener, 0, 0) < 0) fail("accept");
  return hold();
}

static int cmd_user(char **args) {
  unsigned id = (unsigned)atoi(args[0]);
  if (setgid(id) || setuid(id)) fail("setuid");
  return hold();
}

static int cmd_deleted(char **args) {
  (void)args;
  char path[4096];
  ssize_t n = readlink(self, path, sizeof path - 1);
  if (n < 0) fail("readlink");
  path[n] = 0;
  if (unlink(path)) fail(path);
  return hold();
}

// Runs this program from memory that has no file: `memfd NAME [argv0 args...]`, by default `NAME hold`.
static int cmd_memfd(char **args) {
  const char *name = args[0] ? args[0] : "anonymous";
  int from = open(self, O_RDONLY), to = memfd_create(name, 0);
  char block[65536];
  ssize_t n;
  while ((n = read(from, block, sizeof block)) > 0)
    if (write(to, block, (size_t)n) != n) fail("write");
  close(from);
  char *held[] = {(char *)name, "hold", 0};
  char *none[] = {0};
  fexecve(to, args[0] && args[1] ? args + 1 : held, none);
  fail("fexecve");
  return 1;
}

static const struct command {
  const char *name;
  int (*run)(char **args);
  int needed;
} commands[] = {
    {"exit", cmd_exit, 0},         {"hold", cmd_hold, 0},       {"spin", cmd_spin, 0},
    {"children", cmd_children, 1}, {"threads", cmd_threads, 1}, {"execs", cmd_execs, 1},
    {"churn", cmd_churn, 1},       {"listen", cmd_listen, 1},   {"listen6", cmd_listen6, 1},
    {"udp", cmd_udp, 1},           {"connect", cmd_connect, 2}, {"connects", cmd_connects, 3},
    {"pair", cmd_pair, 1},         {"user", cmd_user, 1},       {"deleted", cmd_deleted, 0},
    {"memfd", cmd_memfd, 0},       {"sink", cmd_sink, 1},       {"connect6", cmd_connect6, 2},
    {"udp-connect", cmd_udp_connect, 2},
};

int main(int argc, char **argv) {
  for (size_t i = 0; argc > 1 && i < sizeof commands / sizeof *commands; i++)
    if (!strcmp(argv[1], commands[i].name) && argc - 2 >= commands[i].needed) return commands[i].run(argv + 2);
  fputs("usage: workload", stderr);
  for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) fprintf(stderr, " %s", commands[i].name);
  fputs(" ARGS\n", stderr);
  return 2;
}

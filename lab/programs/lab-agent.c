// The lab's hand inside a guest: runs shell commands that arrive on a virtio port and streams back what they print.
// Frames, both ways, big endian: magic, request id, kind or timeout (ms), length, then that many bytes.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MAGIC = 0x504c4c42, OUTPUT = 0, EXIT = 1, COMMAND_LIMIT = 1 << 20, TIMED_OUT = 124 };

struct frame {
  uint32_t magic, id, kind_or_timeout, length;
};

static void write_all(int fd, const void *bytes, size_t length) {
  const char *at = bytes;
  while (length > 0) {
    ssize_t n = write(fd, at, length);
    if (n > 0) {
      at += n;
      length -= (size_t)n;
    } else if (errno != EINTR && errno != EAGAIN) {
      return;
    } else {
      usleep(1000);
    }
  }
}

// A port whose host side is closed reads as end of file; waiting for the host to come back is the agent's whole life.
static void read_all(int fd, void *bytes, size_t length) {
  char *at = bytes;
  while (length > 0) {
    ssize_t n = read(fd, at, length);
    if (n > 0) {
      at += n;
      length -= (size_t)n;
    } else {
      usleep(20000);
    }
  }
}

static void send_frame(int port, uint32_t id, uint32_t kind, const void *bytes, uint32_t length) {
  struct frame head = {htonl(MAGIC), htonl(id), htonl(kind), htonl(length)};
  write_all(port, &head, sizeof head);
  write_all(port, bytes, length);
}

static long long now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

static int start_shell(const char *command, int *output) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC)) return -1;
  pid_t pid = fork();
  if (pid == 0) {
    setsid();
    int null = open("/dev/null", O_RDONLY);
    dup2(null, 0);
    dup2(ends[1], 1);
    dup2(ends[1], 2);
    execl("/bin/sh", "sh", "-c", command, (char *)0);
    _exit(127);
  }
  close(ends[1]);
  fcntl(ends[0], F_SETFL, O_NONBLOCK);
  *output = ends[0];
  return pid;
}

// Returns 0 at end of file or when nothing is left to read now.
static int forward_output(int port, uint32_t id, int output) {
  char chunk[16384];
  ssize_t n = read(output, chunk, sizeof chunk);
  if (n <= 0) return 0;
  send_frame(port, id, OUTPUT, chunk, (uint32_t)n);
  return 1;
}

// The command is over when its shell is; what it left in the background keeps running.
static void run(int port, uint32_t id, uint32_t timeout_ms, const char *command) {
  int output = -1, status = 0;
  pid_t pid = start_shell(command, &output);
  int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
  long long deadline = now_ms() + timeout_ms;
  uint32_t code = TIMED_OUT;
  for (;;) {
    struct pollfd on[2] = {{output, POLLIN, 0}, {pidfd, POLLIN, 0}};
    long long left = deadline - now_ms();
    if (left <= 0) {
      kill(-pid, SIGKILL);
      waitpid(pid, &status, 0);
      break;
    }
    poll(on, 2, left > 1000 ? 1000 : (int)left);
    if (on[0].revents && !forward_output(port, id, output)) {
      close(output);
      output = -1;
    }
    if (waitpid(pid, &status, WNOHANG) == pid) {
      code = WIFEXITED(status) ? (uint32_t)WEXITSTATUS(status) : 128u + (uint32_t)WTERMSIG(status);
      break;
    }
  }
  while (output >= 0 && forward_output(port, id, output)) continue;
  if (output >= 0) close(output);
  close(pidfd);
  code = htonl(code);
  send_frame(port, id, EXIT, &code, sizeof code);
}

static int open_port(const char *wanted) {
  for (;;) {
    DIR *ports = opendir("/sys/class/virtio-ports");
    struct dirent *entry;
    while (ports && (entry = readdir(ports))) {
      char path[300], name[64] = "";
      snprintf(path, sizeof path, "/sys/class/virtio-ports/%s/name", entry->d_name);
      FILE *file = fopen(path, "r");
      if (!file) continue;
      if (fscanf(file, "%63s", name) == 1 && !strcmp(name, wanted)) {
        fclose(file);
        closedir(ports);
        snprintf(path, sizeof path, "/dev/%s", entry->d_name);
        return open(path, O_RDWR | O_CLOEXEC);
      }
      fclose(file);
    }
    if (ports) closedir(ports);
    usleep(50000);
  }
}

int main(void) {
  int port = open_port("lab");
  if (port < 0) return 1;
  signal(SIGPIPE, SIG_IGN);
  for (;;) {
    struct frame head;
    read_all(port, &head, sizeof head);
    uint32_t length = ntohl(head.length);
    if (ntohl(head.magic) != MAGIC || length > COMMAND_LIMIT) return 2;
    char *command = calloc(1, length + 1);
    read_all(port, command, length);
    run(port, ntohl(head.id), ntohl(head.kind_or_timeout), command);
    free(command);
    while (waitpid(-1, 0, WNOHANG) > 0) continue;
  }
}

// every SECONDS COMMAND [ARGS]: runs a command, waits for it, and again SECONDS after its last start. The guests' timer unit.
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

int main(int argc, char **argv) {
  long period = argc > 2 ? atol(argv[1]) : 0;
  if (period <= 0) {
    fputs("usage: every SECONDS COMMAND [ARGS]\n", stderr);
    return 2;
  }
  struct timespec next;
  clock_gettime(CLOCK_MONOTONIC, &next);
  for (;;) {
    next.tv_sec += period;
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, 0)) continue;
    pid_t pid = fork();
    if (pid == 0) {
      execv(argv[2], argv + 2);
      _exit(127);
    }
    waitpid(pid, 0, 0);
  }
}

// reaper COMMAND [ARGS]: runs a daemon whose own daemons come back here when it lets go of them. Buries them at once, which an
// init that looks rarely does not, and takes all of them along when it is told to end or its parent is gone.
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t ending;

static void end(int signal) {
  (void)signal;
  ending = 1;
}

// Children of this process, from the kernel's own list; sends each a signal and says how many there were.
static int signal_children(int signal) {
  char path[64];
  int pid, count = 0;
  snprintf(path, sizeof path, "/proc/self/task/%d/children", getpid());
  FILE *children = fopen(path, "r");
  while (children && fscanf(children, "%d", &pid) == 1) {
    kill(pid, signal);
    count++;
  }
  if (children) fclose(children);
  return count;
}

int main(int argc, char **argv) {
  if (argc < 2) return 2;
  struct sigaction on_end = {.sa_handler = end};
  sigaction(SIGTERM, &on_end, 0);
  sigaction(SIGINT, &on_end, 0);
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  pid_t daemon = fork();
  if (daemon == 0) {
    execv(argv[1], argv + 1);
    perror(argv[1]);
    _exit(127);
  }
  int status, result = 0;
  while (!ending) {
    pid_t gone = wait(&status);
    if (gone == daemon) {
      result = WIFEXITED(status) ? WEXITSTATUS(status) : 1;
      break;
    }
  }
  kill(daemon, SIGTERM);
  struct timespec moment = {0, 20000000};
  for (int tries = 0; tries < 100 && waitpid(daemon, 0, WNOHANG) == 0; tries++) nanosleep(&moment, 0);
  while (signal_children(SIGKILL) > 0) wait(0);
  return result;
}

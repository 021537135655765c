// The guest's own view of itself, read from /proc in one pass without starting a process: what a look from outside must agree with.
// One line each, fields separated by tabs, raw bytes as hexadecimal:
//   task  PID TGID PPID UID EUID KTHREAD STARTTICKS COMM EXE CMDLINE CGROUP PIDNS MNTNS NETNS
//   sock  INODE PID
//   net   TABLE LINE-OF-/proc/net/TABLE
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char data[1 << 18];

static int slurp(const char *path) {
  int file = open(path, O_RDONLY), got = 0, n;
  if (file < 0) return -1;
  while (got < (int)sizeof data - 1 && (n = (int)read(file, data + got, sizeof data - 1 - (size_t)got)) > 0) got += n;
  close(file);
  data[got] = 0;
  return got;
}

static void hex(const char *bytes, int length) {
  if (length <= 0) putchar('-');
  for (int i = 0; i < length; i++) printf("%02x", (unsigned char)bytes[i]);
}

static void linked(const char *path) {
  char target[8192];
  ssize_t n = readlink(path, target, sizeof target);
  hex(target, (int)n);
}

static long namespace_of(const char *path) {
  char target[64];
  ssize_t n = readlink(path, target, sizeof target - 1);
  if (n < 0) return 0;
  target[n] = 0;
  char *open_bracket = strchr(target, '[');
  return open_bracket ? atol(open_bracket + 1) : 0;
}

static long field(const char *name) {
  char *at = strstr(data, name);
  return at ? strtol(at + strlen(name), 0, 10) : -1;
}

static void sockets_of(const char *pid) {
  char path[320], target[64];
  snprintf(path, sizeof path, "/proc/%s/fd", pid);
  DIR *fds = opendir(path);
  if (!fds) return;
  for (struct dirent *entry; (entry = readdir(fds));) {
    char fd[640];
    snprintf(fd, sizeof fd, "%s/%s", path, entry->d_name);
    ssize_t n = readlink(fd, target, sizeof target - 1);
    if (n > 0 && (target[n] = 0, !strncmp(target, "socket:[", 8))) printf("sock\t%ld\t%s\n", atol(target + 8), pid);
  }
  closedir(fds);
}

// FOLDER/PID/... with FOLDER /proc for processes and /proc/TGID/task for threads.
static void task(const char *folder, const char *pid) {
  char path[512];
  int length;
  snprintf(path, sizeof path, "%s/%s/stat", folder, pid);
  if (slurp(path) < 0) return;
  char *end = strrchr(data, ')');
  if (!end) return;
  unsigned long flags = 0;
  unsigned long long started = 0;
  sscanf(end + 2, "%*c %*d %*d %*d %*d %*d %lu %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu", &flags, &started);
  snprintf(path, sizeof path, "%s/%s/status", folder, pid);
  if (slurp(path) < 0) return;
  char *uids = strstr(data, "\nUid:");
  int uid = -1, euid = -1;
  if (uids) sscanf(uids + 5, "%d %d", &uid, &euid);
  printf("task\t%s\t%ld\t%ld\t%d\t%d\t%d\t%llu\t", pid, field("\nTgid:"), field("\nPPid:"), uid, euid, (flags & 0x200000) != 0, started);
  snprintf(path, sizeof path, "%s/%s/comm", folder, pid);
  length = slurp(path);
  hex(data, length > 0 ? length - 1 : 0);
  putchar('\t');
  snprintf(path, sizeof path, "%s/%s/exe", folder, pid);
  linked(path);
  putchar('\t');
  snprintf(path, sizeof path, "%s/%s/cmdline", folder, pid);
  length = slurp(path);
  hex(data, length);
  putchar('\t');
  snprintf(path, sizeof path, "%s/%s/cgroup", folder, pid);
  length = slurp(path);
  hex(data, length > 0 ? length - 1 : 0);
  for (const char *const *kind = (const char *const[]){"pid", "mnt", "net", 0}; *kind; kind++) {
    snprintf(path, sizeof path, "%s/%s/ns/%s", folder, pid, *kind);
    printf("\t%ld", namespace_of(path));
  }
  putchar('\n');
}

static void each_number(const char *folder, void (*act)(const char *, const char *)) {
  DIR *all = opendir(folder);
  if (!all) return;
  for (struct dirent *entry; (entry = readdir(all));)
    if (isdigit((unsigned char)entry->d_name[0])) act(folder, entry->d_name);
  closedir(all);
}

static void process_with_threads(const char *folder, const char *pid) {
  char tasks[320];
  snprintf(tasks, sizeof tasks, "%s/%s/task", folder, pid);
  each_number(tasks, task);
}

static void table(const char *name) {
  char path[64];
  snprintf(path, sizeof path, "/proc/net/%s", name);
  FILE *lines = fopen(path, "r");
  if (!lines) return;
  char line[512];
  for (int first = 1; fgets(line, sizeof line, lines); first = 0)
    if (!first) printf("net\t%s\t%s", name, line);
  fclose(lines);
}

static void process(const char *folder, const char *pid) {
  task(folder, pid);
  sockets_of(pid);
}

int main(int count, char **args) {
  int threads = count > 1 && !strcmp(args[1], "threads");
  each_number("/proc", threads ? process_with_threads : process);
  for (const char *const *name = (const char *const[]){"tcp", "tcp6", "udp", "udp6", 0}; *name; name++) table(*name);
  return 0;
}

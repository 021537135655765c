// orders PORT DATABASE_ADDRESS DATABASE_PORT: the application tier. Counts orders in the database, prints invoices with its helper.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PRICING_MS = 120, TEXT = 2048 };

extern char **environ;
static struct sockaddr_in database;

static void answer(int client, int status, const char *format, ...) {
  char body[TEXT], head[128];
  va_list args;
  va_start(args, format);
  int length = vsnprintf(body, sizeof body, format, args);
  va_end(args);
  if (length >= (int)sizeof body) length = sizeof body - 1;
  int n = snprintf(head, sizeof head, "HTTP/1.0 %d %s\r\nContent-Length: %d\r\n\r\n", status, status == 200 ? "OK" : "Error", length);
  if (write(client, head, (size_t)n) != n || write(client, body, (size_t)length) != length) return;
}

// Value of `name` in a query string, or `otherwise`. Does not decode: the shop's items are plain words.
static void parameter(const char *query, const char *name, const char *otherwise, char *value, size_t size) {
  size_t wanted = strlen(name);
  snprintf(value, size, "%s", otherwise);
  while (query && *query) {
    const char *end = strchrnul(query, '&');
    if (!strncmp(query, name, wanted) && query[wanted] == '=')
      snprintf(value, size, "%.*s", (int)(end - query - (long)wanted - 1), query + wanted + 1);
    query = *end ? end + 1 : end;
  }
}

// Adds one to the item's count in the database. -1 when the database does not answer.
static long count_order(const char *item) {
  char command[256], reply[64] = "";
  int s = socket(AF_INET, SOCK_STREAM, 0);
  struct timeval patience = {3, 0};
  setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  setsockopt(s, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  long count = -1;
  if (!connect(s, (void *)&database, sizeof database)) {
    int n = snprintf(command, sizeof command, "INCR order:%s\r\n", item);
    usleep(PRICING_MS * 1000);
    if (write(s, command, (size_t)n) == n && read(s, reply, sizeof reply - 1) > 1 && reply[0] == ':') count = atol(reply + 1);
  }
  close(s);
  return count;
}

static void take_order(int client, const char *query) {
  char item[128];
  parameter(query, "item", "chair", item, sizeof item);
  long count = count_order(item);
  if (count < 0) answer(client, 502, "the database does not answer\n");
  else answer(client, 200, "{\"item\":\"%s\",\"orders\":%ld}\n", item, count);
}

static void print_invoice(int client, const char *query) {
  char item[128], template[256], text[TEXT - 64] = "";
  parameter(query, "item", "chair", item, sizeof item);
  parameter(query, "template", "/opt/orders/templates/invoice.txt", template, sizeof template);
  char *argv[] = {"/opt/orders/bin/invoice", "--item", item, "--template", template, 0};
  int ends[2];
  if (pipe2(ends, O_CLOEXEC)) return;
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_adddup2(&files, ends[1], 1);
  pid_t pid = 0;
  int failed = posix_spawn(&pid, argv[0], &files, 0, argv, environ);
  posix_spawn_file_actions_destroy(&files);
  close(ends[1]);
  size_t length = 0;
  ssize_t n;
  while (!failed && (n = read(ends[0], text + length, sizeof text - 1 - length)) > 0) length += (size_t)n;
  close(ends[0]);
  if (failed) return answer(client, 500, "no invoice program\n");
  waitpid(pid, 0, 0);
  answer(client, 200, "%s", text);
}

static void *serve(void *argument) {
  int client = (int)(intptr_t)argument;
  char request[TEXT] = "", path[1024] = "";
  ssize_t n = read(client, request, sizeof request - 1);
  if (n > 0 && sscanf(request, "GET %1023s", path) == 1) {
    char *query = strchr(path, '?');
    if (query) *query++ = 0;
    if (!strcmp(path, "/order")) take_order(client, query);
    else if (!strcmp(path, "/invoice")) print_invoice(client, query);
    else answer(client, 404, "no such page\n");
  }
  close(client);
  return 0;
}

int main(int argc, char **argv) {
  if (argc != 4) return 2;
  signal(SIGPIPE, SIG_IGN);
  database = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[3]))};
  inet_pton(AF_INET, argv[2], &database.sin_addr);
  int s = socket(AF_INET, SOCK_STREAM, 0), yes = 1;
  setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[1]))};
  if (bind(s, (void *)&here, sizeof here) || listen(s, 64)) {
    perror("orders");
    return 1;
  }
  for (;;) {
    int client = accept4(s, 0, 0, SOCK_CLOEXEC);
    pthread_t thread;
    if (client < 0) continue;
    if (pthread_create(&thread, 0, serve, (void *)(intptr_t)client)) close(client);
    else pthread_detach(thread);
  }
}

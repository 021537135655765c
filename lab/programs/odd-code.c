// Processes whose code is not as it should be, each in one way, held until killed: what a check of running code must tell apart.
#define _GNU_SOURCE
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

static const size_t page = 4096;

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static void hold(void) {
  puts("held");
  fflush(stdout);
  for (;;) pause();
}

// On a page of its own: while it is being changed nothing on it may run.
__attribute__((used, noinline, aligned(4096))) static int never_called(int x) {
  return x * 3 + 1;
}
__attribute__((used, noinline, aligned(4096))) static int never_called_either(int x) {
  return x * 5 + 1;
}

static char *new_page(int protection) {
  char *at = mmap(0, page, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (at == MAP_FAILED) fail("mmap");
  return at;
}

int main(int argc, char **argv) {
  const char *kind = argc > 1 ? argv[1] : "";
  if (!strcmp(kind, "writable")) {
    *new_page(PROT_READ | PROT_WRITE | PROT_EXEC) = (char)0xc3;
  } else if (!strcmp(kind, "anonymous")) {
    char *at = new_page(PROT_READ | PROT_WRITE);
    *at = (char)0xc3;
    if (mprotect(at, page, PROT_READ | PROT_EXEC)) fail("mprotect");
  } else if (!strcmp(kind, "patched")) {
    // A debugger does the same: the page becomes the process's own, the file stays as it is.
    char *at = (char *)((uintptr_t)never_called & ~(uintptr_t)(page - 1));
    if (mprotect(at, page, PROT_READ | PROT_WRITE)) fail("mprotect");
    *(volatile char *)never_called = (char)0xcc;
    if (mprotect(at, page, PROT_READ | PROT_EXEC)) fail("mprotect");
  } else if (!strcmp(kind, "restored")) {
    char *at = (char *)((uintptr_t)never_called & ~(uintptr_t)(page - 1));
    if (mprotect(at, page, PROT_READ | PROT_WRITE)) fail("mprotect");
    volatile char *code = (volatile char *)never_called, was = *code;
    *code = (char)0xcc;
    *code = was;
    if (mprotect(at, page, PROT_READ | PROT_EXEC)) fail("mprotect");
  } else if (!strcmp(kind, "traced")) {
    pid_t child = fork();
    if (child == 0) {
      if (ptrace(PTRACE_TRACEME, 0, 0, 0)) fail("ptrace");
      raise(SIGSTOP);
      hold();
    }
    waitpid(child, 0, 0);
    if (ptrace(PTRACE_CONT, child, 0, 0)) fail("ptrace");
  } else {
    return fprintf(stderr, "usage: odd-code writable|anonymous|patched|restored|traced\n"), 2;
  }
  hold();
}

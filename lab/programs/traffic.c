// Connections and exchanges of known number and size, and one that no kernel knows of: what flow evidence is held against.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/if_ether.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <netpacket/packet.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BLOCK = 65536 };

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static struct sockaddr_in place(const char *address, const char *port) {
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
  if (inet_pton(AF_INET, address, &to.sin_addr) != 1) fail(address);
  return to;
}

// Reads to the end of what the peer sends, then answers with as much.
static void *answer(void *argument) {
  int client = (int)(intptr_t)argument;
  char block[BLOCK];
  long total = 0;
  ssize_t n;
  while ((n = read(client, block, sizeof block)) > 0) total += n;
  memset(block, 'a', sizeof block);
  for (; total > 0; total -= n)
    if ((n = write(client, block, total < BLOCK ? (size_t)total : BLOCK)) <= 0) break;
  close(client);
  return 0;
}

__attribute__((noreturn)) static void *serve_datagrams(void *argument) {
  int s = (int)(intptr_t)argument;
  char block[BLOCK];
  struct sockaddr_in from;
  for (;;) {
    socklen_t size = sizeof from;
    ssize_t n = recvfrom(s, block, sizeof block, 0, (void *)&from, &size);
    if (n >= 0) sendto(s, block, (size_t)n, 0, (void *)&from, size);
  }
}

__attribute__((noreturn)) static int cmd_serve(char **args) {
  struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(args[0]))};
  int tcp = socket(AF_INET, SOCK_STREAM, 0), udp = socket(AF_INET, SOCK_DGRAM, 0), yes = 1;
  setsockopt(tcp, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  if (bind(tcp, (void *)&here, sizeof here) || listen(tcp, 128) || bind(udp, (void *)&here, sizeof here)) fail("bind");
  pthread_t thread;
  if (pthread_create(&thread, 0, serve_datagrams, (void *)(intptr_t)udp)) fail("pthread_create");
  puts("serving");
  fflush(stdout);
  for (;;) {
    int client = accept(tcp, 0, 0);
    if (client < 0) continue;
    if (pthread_create(&thread, 0, answer, (void *)(intptr_t)client)) close(client);
    else pthread_detach(thread);
  }
}

static int one_connection(const struct sockaddr_in *to, long bytes) {
  static char block[BLOCK];
  int s = socket(AF_INET, SOCK_STREAM, 0);
  long left = bytes, got = 0;
  ssize_t n;
  if (connect(s, (const void *)to, sizeof *to)) {
    close(s);
    return 0;
  }
  while (left > 0 && (n = write(s, block, left < BLOCK ? (size_t)left : BLOCK)) > 0) left -= n;
  shutdown(s, SHUT_WR);
  while ((n = read(s, block, sizeof block)) > 0) got += n;
  close(s);
  return got == bytes;
}

static int cmd_tcp(char **args) {
  struct sockaddr_in to = place(args[0], args[1]);
  int count = atoi(args[2]), good = 0;
  for (int i = 0; i < count; i++) good += one_connection(&to, atol(args[3]));
  printf("good=%d\n", good);
  return 0;
}

static int cmd_udp(char **args) {
  struct sockaddr_in to = place(args[0], args[1]);
  int count = atoi(args[2]), good = 0, first = 40000 + (int)(getpid() * 977L % 10000);
  struct sockaddr_in from = {.sin_family = AF_INET};
  static char block[BLOCK];
  for (int i = 0; i < count; i++) {
    int s = socket(AF_INET, SOCK_DGRAM, 0);
    struct timeval patience = {2, 0};
    setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    // Ports in a row: one chosen by chance may have been used a moment ago, and would be the same exchange.
    from.sin_port = htons((uint16_t)(first + i % 10000));
    if (bind(s, (void *)&from, sizeof from)) fail("bind");
    if (connect(s, (void *)&to, sizeof to)) fail("connect");
    if (send(s, block, (size_t)atoi(args[3]), 0) >= 0 && recv(s, block, sizeof block, 0) >= 0) good++;
    close(s);
  }
  printf("good=%d\n", good);
  return 0;
}

// One connection that says something every GAP milliseconds for SECONDS, and reads whatever comes back.
static int cmd_talk(char **args) {
  struct sockaddr_in to = place(args[0], args[1]);
  int gap_ms = atoi(args[3]), rounds = atoi(args[2]) * 1000 / gap_ms, s = socket(AF_INET, SOCK_STREAM, 0);
  if (connect(s, (void *)&to, sizeof to)) fail("connect");
  puts("connected");
  fflush(stdout);
  char block[512];
  for (int i = 0; i < rounds; i++) {
    if (write(s, "hello", 5) < 0) fail("write");
    struct pollfd wait = {s, POLLIN, 0};
    if (poll(&wait, 1, gap_ms) > 0 && read(s, block, sizeof block) <= 0) break;
    usleep((useconds_t)gap_ms * 1000);
  }
  return 0;
}

static uint32_t add(uint32_t sum, const void *data, size_t length) {
  const uint8_t *bytes = data;
  for (size_t i = 0; i < length; i++) sum += i % 2 ? bytes[i] : (uint32_t)bytes[i] << 8;
  return sum;
}

static uint16_t folded(uint32_t sum) {
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return htons((uint16_t)~sum);
}

struct segment {
  struct ether_header ether;
  struct iphdr ip;
  struct tcphdr tcp;
  char data[512];
} __attribute__((packed));

static void send_segment(int s, const struct segment *in, const uint8_t *own, size_t received, int flags, size_t length) {
  struct segment out = *in;
  memcpy(out.ether.ether_dhost, in->ether.ether_shost, 6);
  memcpy(out.ether.ether_shost, own, 6);
  out.ip = (struct iphdr){.version = 4, .ihl = 5, .ttl = 64, .protocol = IPPROTO_TCP, .saddr = in->ip.daddr, .daddr = in->ip.saddr};
  out.ip.tot_len = htons((uint16_t)(40 + length));
  out.ip.check = folded(add(0, &out.ip, 20));
  memset(&out.tcp, 0, sizeof out.tcp);
  out.tcp.source = in->tcp.dest;
  out.tcp.dest = in->tcp.source;
  // No memory of the connection: where the peer says it is, it is.
  out.tcp.seq = in->tcp.syn ? htonl(1000) : in->tcp.ack_seq;
  out.tcp.ack_seq = htonl(ntohl(in->tcp.seq) + (uint32_t)received + (in->tcp.syn || in->tcp.fin));
  out.tcp.doff = 5;
  out.tcp.window = htons(8192);
  out.tcp.th_flags = (uint8_t)flags;
  uint32_t sum = add(add(0, &out.ip.saddr, 8), &out.tcp, 20 + length) + IPPROTO_TCP + (uint32_t)(20 + length);
  out.tcp.check = folded(sum);
  if (send(s, &out, sizeof out.ether + 40 + length, 0) < 0) perror("send");
}

static void answer_question(int s, uint8_t *frame, const uint8_t *own, in_addr_t address) {
  struct ether_header *ether = (void *)frame;
  struct ether_arp *arp = (void *)(frame + sizeof *ether);
  if (arp->ea_hdr.ar_op != htons(ARPOP_REQUEST) || memcmp(arp->arp_tpa, &address, 4)) return;
  memcpy(ether->ether_dhost, arp->arp_sha, 6);
  memcpy(ether->ether_shost, own, 6);
  arp->ea_hdr.ar_op = htons(ARPOP_REPLY);
  memcpy(arp->arp_tha, arp->arp_sha, 6);
  memcpy(arp->arp_tpa, arp->arp_spa, 4);
  memcpy(arp->arp_sha, own, 6);
  memcpy(arp->arp_spa, &address, 4);
  if (send(s, frame, sizeof *ether + sizeof *arp, 0) < 0) perror("send");
}

// A listener below the kernel: claims ADDRESS on DEVICE and speaks TCP on PORT by raw frames, so that no socket table shows it.
__attribute__((noreturn)) static int cmd_hidden(char **args) {
  struct sockaddr_in here = place(args[1], args[2]);
  int s = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL));
  struct sockaddr_ll on = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = (int)if_nametoindex(args[0])};
  struct ifreq asked = {0};
  snprintf(asked.ifr_name, sizeof asked.ifr_name, "%s", args[0]);
  if (bind(s, (void *)&on, sizeof on) || ioctl(s, SIOCGIFHWADDR, &asked)) fail(args[0]);
  uint8_t own[6], frame[2048];
  memcpy(own, asked.ifr_hwaddr.sa_data, 6);
  puts("hidden");
  fflush(stdout);
  for (;;) {
    ssize_t n = recv(s, frame, sizeof frame, 0);
    struct ether_header *ether = (void *)frame;
    if (n < 42 || !memcmp(ether->ether_shost, own, 6)) continue;
    if (ether->ether_type == htons(ETHERTYPE_ARP)) answer_question(s, frame, own, here.sin_addr.s_addr);
    struct segment *in = (void *)frame;
    if (ether->ether_type != htons(ETHERTYPE_IP) || n < 54 || in->ip.daddr != here.sin_addr.s_addr) continue;
    if (in->ip.protocol != IPPROTO_TCP || in->ip.ihl != 5 || in->tcp.dest != here.sin_port || in->tcp.rst) continue;
    size_t headers = 20 + in->tcp.doff * 4u, length = ntohs(in->ip.tot_len) - headers;
    if (headers > ntohs(in->ip.tot_len) || length > 400) continue;
    memmove(in->data, (char *)&in->ip + headers, length);
    if (in->tcp.syn) send_segment(s, in, own, 0, TH_SYN | TH_ACK, 0);
    else if (in->tcp.fin) send_segment(s, in, own, length, TH_FIN | TH_ACK, 0);
    else if (length > 0) send_segment(s, in, own, length, TH_ACK | TH_PUSH, length);
  }
}

static const struct command {
  const char *name;
  int (*run)(char **args);
  int needed;
} commands[] = {
    {"serve", cmd_serve, 1}, {"tcp", cmd_tcp, 4}, {"udp", cmd_udp, 4}, {"talk", cmd_talk, 4}, {"hidden", cmd_hidden, 3},
};

int main(int argc, char **argv) {
  signal(SIGPIPE, SIG_IGN);
  for (size_t i = 0; argc > 1 && i < sizeof commands / sizeof *commands; i++)
    if (!strcmp(argv[1], commands[i].name) && argc - 2 >= commands[i].needed) return commands[i].run(argv + 2);
  fputs("usage: traffic serve PORT | tcp|udp ADDRESS PORT COUNT BYTES | talk ADDRESS PORT SECONDS GAP_MS | hidden DEVICE ADDRESS PORT\n", stderr);
  return 2;
}

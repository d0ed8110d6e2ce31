// The bench's counterpart of `UffdServer`: the same work in C. usage: fault-handler SOCKET MAP BLOCK_PAGES
// MAP is text: pages, number of files, their paths, number of ranges, then of each its first page, file and place in it.
// Waits for one machine, serves it until it has gone.
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define PAGE 4096ul
#define BATCH 64
#define MAX_FILES 64

enum { ABSENT, PRESENT, REMOVED };

static uint64_t pages, ranges, block;
static uint32_t *starts, *offsets;
static uint16_t *files;
static int opened[MAX_FILES];
static uint8_t *state;
static char *buffer;
static uint64_t base;
static int uffd;

static void die(const char *what) {
  perror(what);
  exit(1);
}

static void read_map(const char *path) {
  FILE *file = fopen(path, "r");
  uint64_t count;
  if (!file || fscanf(file, "%lu %lu", &pages, &count) != 2 || count > MAX_FILES) die("map");
  for (uint64_t i = 0; i < count; i++) {
    char name[4096];
    if (fscanf(file, " %4095s", name) != 1) die("map");
    opened[i] = open(name, O_RDONLY | O_CLOEXEC);
    if (opened[i] < 0) die(name);
  }
  if (fscanf(file, "%lu", &ranges) != 1) die("map");
  starts = malloc((ranges + 1) * sizeof *starts);
  offsets = malloc(ranges * sizeof *offsets);
  files = malloc(ranges * sizeof *files);
  for (uint64_t i = 0; i < ranges; i++)
    if (fscanf(file, "%u %hu %u", &starts[i], &files[i], &offsets[i]) != 3) die("map");
  starts[ranges] = (uint32_t)pages;
  fclose(file);
}

/** Reads pages that may lie in several files. */
static void load(uint64_t page, uint64_t end) {
  uint64_t low = 0, high = ranges;
  while (high - low > 1) {
    uint64_t middle = (low + high) / 2;
    if (starts[middle] <= page) low = middle;
    else high = middle;
  }
  char *into = buffer;
  for (; page < end; low++) {
    uint64_t stop = starts[low + 1] < end ? starts[low + 1] : end;
    uint64_t bytes = (stop - page) * PAGE;
    off_t at = (off_t)((offsets[low] + page - starts[low]) * PAGE);
    if (pread(opened[files[low]], into, bytes, at) != (ssize_t)bytes) die("pread");
    into += bytes;
    page = stop;
  }
}

static void serve(uint64_t address) {
  uint64_t page = (address - base) / PAGE;
  uint64_t from = page - page % block, to = from + block < pages ? from + block : pages;
  for (uint64_t i = page; i-- > from;)
    if (state[i] != ABSENT) from = i + 1;
  for (uint64_t i = page + 1; i < to; i++)
    if (state[i] != ABSENT) to = i;
  if (state[page] == ABSENT) load(from, to);
  struct uffdio_copy copy = {.dst = base + from * PAGE, .src = (uint64_t)buffer, .len = (to - from) * PAGE};
  if (ioctl(uffd, UFFDIO_COPY, &copy)) die("UFFDIO_COPY");
  memset(state + from, PRESENT, to - from);
}

static int receive(int connection) {
  char text[4096], control[CMSG_SPACE(sizeof(int))];
  struct iovec part = {.iov_base = text, .iov_len = sizeof text - 1};
  struct msghdr message = {
      .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  ssize_t got = recvmsg(connection, &message, MSG_CMSG_CLOEXEC);
  struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  if (got <= 0 || !header) die("recvmsg");
  text[got] = 0;
  if (sscanf(text, "[{\"base_host_virt_addr\":%lu", &base) != 1) die("regions");
  int fd;
  memcpy(&fd, CMSG_DATA(header), sizeof fd);
  return fd;
}

int main(int argc, char **argv) {
  if (argc != 4) return 2;
  read_map(argv[2]);
  block = strtoul(argv[3], 0, 10);
  state = calloc(pages, 1);
  if (posix_memalign((void **)&buffer, PAGE, block * PAGE)) die("memory");
  int listener = socket(AF_UNIX, SOCK_STREAM, 0);
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  strncpy(address.sun_path, argv[1], sizeof address.sun_path - 1);
  if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 1)) die("listen");
  printf("listening\n");
  fflush(stdout);
  int connection = accept(listener, 0, 0);
  uffd = receive(connection);
  struct pollfd fds[] = {
      {.fd = uffd, .events = POLLIN}, {.fd = eventfd(0, 0), .events = POLLIN}, {.fd = connection, .events = POLLIN}};
  struct uffd_msg messages[BATCH];
  for (;;) {
    if (poll(fds, 3, -1) < 0) die("poll");
    if (fds[1].revents || fds[2].revents) return 0;
    ssize_t got = read(uffd, messages, sizeof messages);
    if (got < 0 && errno == EAGAIN) continue;
    if (got < 0) die("read");
    for (ssize_t i = 0; i < got / (ssize_t)sizeof *messages; i++) {
      if (messages[i].event != UFFD_EVENT_PAGEFAULT) die("event");
      serve(messages[i].arg.pagefault.address);
    }
  }
}

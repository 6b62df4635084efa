/* The benchmark's client: does one kind of operation many times in a directory (which it enters by itself: only its user may) and prints what it took, as JSON:
   {"ns": wall clock, "ops": how many, "cpuNs": user + system time of this process and its children,
   "serverNs": of the server, dead threads included}.
   In C, so that what the client itself costs does not hide the difference between servers. Usage: client DIRECTORY SERVER-PID ROW COUNT [ARGUMENT...] */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define BLOCK 4096
#define MIB (1 << 20)
static char buffer[MIB];
static volatile unsigned sink;

static void die(const char *what) {
  fprintf(stderr, "client: %s: %s\n", what, strerror(errno));
  exit(1);
}
#define CHECK(call) do { if ((call) < 0) die(#call); } while (0)

static const char *name(const char *prefix, int n) {
  static char text[2][64];
  static int turn;
  turn = !turn;
  snprintf(text[turn], sizeof text[turn], "%s%06d", prefix, n);
  return text[turn];
}

static void create(const char *prefix, int count) {
  for (int n = 0; n < count; n++) {
    int fd = open(name(prefix, n), O_CREAT | O_EXCL | O_WRONLY, 0644);
    CHECK(fd);
    if (write(fd, buffer, BLOCK) != BLOCK) die("write");
    CHECK(close(fd));
  }
}

static void stats(const char *prefix, int count) {
  struct stat st;
  for (int n = 0; n < count; n++) CHECK(stat(name(prefix, n), &st));
}

static void reads(const char *prefix, int count) {
  for (int n = 0; n < count; n++) {
    int fd = open(name(prefix, n), O_RDONLY);
    CHECK(fd);
    if (read(fd, buffer, BLOCK) != BLOCK) die("read");
    CHECK(close(fd));
  }
}

static void unlinks(const char *prefix, int count) {
  for (int n = 0; n < count; n++) CHECK(unlink(name(prefix, n)));
}

static int scan(void) {
  int seen = 0;
  struct stat st;
  DIR *d = opendir(".");
  if (!d) die("opendir");
  for (struct dirent *e; (e = readdir(d));) {
    if (e->d_name[0] == '.') continue;
    CHECK(fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW));
    seen++;
  }
  closedir(d);
  return seen;
}

static void sequential(int writing, int mib) {
  int fd = open("large", writing ? O_CREAT | O_TRUNC | O_WRONLY : O_RDONLY, 0644);
  CHECK(fd);
  for (int n = 0; n < mib; n++)
    if ((writing ? write(fd, buffer, MIB) : read(fd, buffer, MIB)) != MIB) die("1 MiB");
  CHECK(close(fd));
}

static uint32_t seed = 1;
static uint32_t rnd(uint32_t below) {
  seed = seed * 1664525u + 1013904223u;
  return (uint32_t)(((uint64_t)seed * below) >> 32);
}

static void at_random(int writing, int count) {
  struct stat st;
  int fd = open("large", O_RDWR);
  CHECK(fd);
  CHECK(fstat(fd, &st));
  uint32_t blocks = st.st_size / BLOCK;
  for (int n = 0; n < count; n++) {
    off_t at = (off_t)rnd(blocks) * BLOCK;
    if ((writing ? pwrite(fd, buffer, BLOCK, at) : pread(fd, buffer, BLOCK, at)) != BLOCK) die("4 KiB");
  }
  CHECK(close(fd));
}

static void mapped(int count) {
  struct stat st;
  int fd = open("large", O_RDONLY);
  CHECK(fd);
  CHECK(fstat(fd, &st));
  unsigned char *m = mmap(NULL, st.st_size, PROT_READ, MAP_SHARED, fd, 0);
  if (m == MAP_FAILED) die("mmap");
  uint32_t blocks = st.st_size / BLOCK;
  for (int n = 0; n < count; n++) sink += m[(size_t)rnd(blocks) * BLOCK];
  munmap(m, st.st_size);
  CHECK(close(fd));
}

/* What four programs do at the same time: each in a directory of its own, some of all. */
static void parallel(int processes, int count) {
  for (int p = 0; p < processes; p++) {
    pid_t pid = fork();
    CHECK(pid);
    if (pid == 0) {
      const char *mine = name("process", p);
      CHECK(mkdir(mine, 0755));
      CHECK(chdir(mine));
      create("f", count);
      stats("f", count);
      reads("f", count);
      scan();
      for (int n = 0; n < count; n++) CHECK(rename(name("f", n), name("g", n)));
      unlinks("g", count);
      _exit(0);
    }
  }
  for (int p = 0, status; p < processes; p++)
    if (wait(&status) < 0 || status != 0) die("a process");
}

static void run(char **argv) {
  int status;
  pid_t pid = fork();
  CHECK(pid);
  if (pid == 0) {
    int null = open("/dev/null", O_WRONLY);
    dup2(null, 1);
    execvp(argv[0], argv);
    _exit(127);
  }
  CHECK(waitpid(pid, &status, 0));
  if (status != 0) die(argv[0]);
}

static int64_t now(clockid_t clock) {
  struct timespec t;
  clock_gettime(clock, &t);
  return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static int64_t cpu(void) {
  struct rusage self, children;
  getrusage(RUSAGE_SELF, &self);
  getrusage(RUSAGE_CHILDREN, &children);
#define NS(t) ((t).tv_sec * 1000000000LL + (t).tv_usec * 1000LL)
  return NS(self.ru_utime) + NS(self.ru_stime) + NS(children.ru_utime) + NS(children.ru_stime);
}

/* Another process's CPU clock; clock_getcpuclockid(3). */
static int64_t cpu_of(pid_t pid) {
  clockid_t clock;
  if (pid == 0) return 0;
  if (clock_getcpuclockid(pid, &clock) != 0) die("clock_getcpuclockid");
  return now(clock);
}

int main(int argc, char **argv) {
  if (argc < 5) return 2;
  CHECK(chdir(argv[1]));
  pid_t server = atoi(argv[2]);
  argv += 2;
  const char *row = argv[1];
  int count = atoi(argv[2]);
  struct stat st;
  memset(buffer, 'x', sizeof buffer);
  int64_t ops = count, cpu0 = cpu(), server0 = cpu_of(server), t0 = now(CLOCK_MONOTONIC);
  if (!strcmp(row, "create")) create("n", count);
  else if (!strcmp(row, "stat")) stats("f", count);
  else if (!strcmp(row, "open-read")) reads("f", count);
  else if (!strcmp(row, "scan")) ops = scan();
  else if (!strcmp(row, "enoent")) {
    for (int n = 0; n < count; n++) if (stat(name("none", n), &st) == 0) die("it is there");
  } else if (!strcmp(row, "chmod")) {
    for (int n = 0; n < count; n++) CHECK(chmod(name("n", n), 0600));
  } else if (!strcmp(row, "rename")) {
    for (int n = 0; n < count; n++) CHECK(rename(name("n", n), name("r", n)));
  } else if (!strcmp(row, "unlink")) unlinks("r", count);
  else if (!strcmp(row, "sequential-write")) sequential(1, count);
  else if (!strcmp(row, "sequential-read")) sequential(0, count);
  else if (!strcmp(row, "random-write")) at_random(1, count);
  else if (!strcmp(row, "random-read")) at_random(0, count);
  else if (!strcmp(row, "mmap-read")) mapped(count);
  else if (!strcmp(row, "parallel")) { parallel(4, count); ops = 4LL * count; }
  else if (!strcmp(row, "prepare")) { create("f", count); }
  else if (!strcmp(row, "exec")) { run(argv + 3); }
  else return 2;
  int64_t t1 = now(CLOCK_MONOTONIC), cpu1 = cpu(), server1 = cpu_of(server);
  printf("{\"ns\":%lld,\"ops\":%lld,\"cpuNs\":%lld,\"serverNs\":%lld}\n", (long long)(t1 - t0), (long long)ops, (long long)(cpu1 - cpu0), (long long)(server1 - server0));
  return 0;
}

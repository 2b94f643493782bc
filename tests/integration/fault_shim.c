/* Preloaded into an unchanged program: counts its calls to disk and network, and at a chosen one
 * kills it, lets it fail, or delays it. fault_shim.py is the other side; both map the file that
 * SALLYPORT_FAULT_SHIM names, so the orders may change while the program runs. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <unistd.h>

enum call { OPEN, READ, WRITE, SYNC, RENAME, UNLINK, ALLOCATE, SEND, RECEIVE, CALLS };

/* Numbers of calls count from 1; 0 in `kill_at` and `fail_from`: never. The program may be past a
 * number by the time it is written here: then it strikes at the next call. */
struct order {
    uint64_t count;
    uint64_t kill_at;
    uint64_t moment; /* of the kill: 0 before the call, 1 in its middle (torn), 2 after it */
    uint64_t fail_from, fail_left; /* from that call on so many fail … */
    uint64_t error;                /* … with this errno */
    uint64_t delay_us;             /* each call */
    uint64_t failed;               /* how many did */
};

struct control {
    struct order orders[CALLS];
    uint64_t port;  /* SEND and RECEIVE: only where either end has this port; 0: all */
    char path[256]; /* the others: only files whose path has this in it */
};

enum { FILES_MAX = 65536 };
static struct control* control;
static unsigned char watched[FILES_MAX];

__attribute__((constructor)) static void attach(void) {
    const char* name = getenv("SALLYPORT_FAULT_SHIM");
    if (!name) return;
    int (*real)(const char*, int, ...) = dlsym(RTLD_NEXT, "open");
    const int file = real(name, O_RDWR | O_CLOEXEC);
    if (file < 0) return;
    void* at = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (at != MAP_FAILED) control = at;
}

static void die(void) {
    kill(getpid(), SIGKILL);
    for (;;) pause();
}

static int takes_one(uint64_t* left) {
    uint64_t seen = __atomic_load_n(left, __ATOMIC_SEQ_CST);
    while (seen && !__atomic_compare_exchange_n(left, &seen, seen - 1, 0, __ATOMIC_SEQ_CST,
                                                __ATOMIC_SEQ_CST)) {
    }
    return seen != 0;
}

/* Whether the call is to go ahead; else errno is set. `*moment` is set where it must die later. */
static int enter(enum call call, int* moment) {
    struct order* order = &control->orders[call];
    const uint64_t number = __atomic_add_fetch(&order->count, 1, __ATOMIC_SEQ_CST);
    if (order->delay_us) usleep((useconds_t)order->delay_us);
    *moment = 0;
    if (order->kill_at && number >= order->kill_at) {
        if (order->moment == 0) die();
        *moment = (int)order->moment;
    }
    if (order->fail_from && number >= order->fail_from && takes_one(&order->fail_left)) {
        __atomic_add_fetch(&order->failed, 1, __ATOMIC_SEQ_CST);
        errno = (int)order->error;
        return 0;
    }
    return 1;
}

static int is_watched(int file) {
    return control && file >= 0 && file < FILES_MAX && watched[file];
}

static int names_it(const char* path) {
    return control && path && strstr(path, control->path) != NULL;
}

/* A name below an open directory, made whole where it is not. */
static int names_it_at(int directory, const char* path) {
    if (names_it(path)) return 1;
    return path && path[0] != '/' && is_watched(directory);
}

static int is_our_socket(int end) {
    if (!control) return 0;
    if (!control->port) return 1;
    struct sockaddr_in near, far;
    socklen_t size = sizeof near;
    if (getsockname(end, (struct sockaddr*)&near, &size) || near.sin_family != AF_INET) return 0;
    if (ntohs(near.sin_port) == control->port) return 1;
    size = sizeof far;
    return !getpeername(end, (struct sockaddr*)&far, &size) && ntohs(far.sin_port) == control->port;
}

#define REAL(name, ...) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))(__VA_ARGS__)
#define GUARDED(result, condition, call, name, ...)   \
    int moment;                                       \
    if (!(condition)) return REAL(name, __VA_ARGS__); \
    if (!enter(call, &moment)) return -1;             \
    const result got = REAL(name, __VA_ARGS__);       \
    if (moment) die();                                \
    return got

static int note_open(int file, int is_ours) {
    if (file >= 0 && file < FILES_MAX) watched[file] = (unsigned char)is_ours;
    return file;
}

#define OPEN_BODY(name, ours, ...)                                             \
    mode_t mode = 0;                                                           \
    if (flags & (O_CREAT | O_TMPFILE)) {                                       \
        va_list rest;                                                          \
        va_start(rest, flags);                                                 \
        mode = va_arg(rest, mode_t);                                           \
        va_end(rest);                                                          \
    }                                                                          \
    const int is_ours = (ours);                                                \
    int moment = 0;                                                            \
    if (is_ours && !(flags & O_DIRECTORY) && !enter(OPEN, &moment)) return -1; \
    const int file = note_open(REAL(name, __VA_ARGS__, flags, mode), is_ours); \
    if (moment) die();                                                         \
    return file

int open(const char* path, int flags, ...) {
    OPEN_BODY(open, names_it(path), path);
}
int open64(const char* path, int flags, ...) {
    OPEN_BODY(open64, names_it(path), path);
}
int openat(int directory, const char* path, int flags, ...) {
    OPEN_BODY(openat, names_it_at(directory, path), directory, path);
}
int openat64(int directory, const char* path, int flags, ...) {
    OPEN_BODY(openat64, names_it_at(directory, path), directory, path);
}

int close(int file) {
    if (file >= 0 && file < FILES_MAX) watched[file] = 0;
    return REAL(close, file);
}

#define WRITE_BODY(name, at)                                                        \
    int moment;                                                                     \
    if (!is_watched(file)) return REAL(name, file, bytes, size, at);                \
    if (!enter(WRITE, &moment)) return -1;                                          \
    const ssize_t got = REAL(name, file, bytes, moment == 1 ? size / 2 : size, at); \
    if (moment) die();                                                              \
    return got

ssize_t pwrite(int file, const void* bytes, size_t size, off_t at) {
    WRITE_BODY(pwrite, at);
}
ssize_t pwrite64(int file, const void* bytes, size_t size, off64_t at) {
    WRITE_BODY(pwrite64, at);
}

ssize_t pread(int file, void* bytes, size_t size, off_t at) {
    GUARDED(ssize_t, is_watched(file), READ, pread, file, bytes, size, at);
}
ssize_t pread64(int file, void* bytes, size_t size, off64_t at) {
    GUARDED(ssize_t, is_watched(file), READ, pread64, file, bytes, size, at);
}

int fdatasync(int file) {
    GUARDED(int, is_watched(file), SYNC, fdatasync, file);
}
int fsync(int file) {
    GUARDED(int, is_watched(file), SYNC, fsync, file);
}
int ftruncate(int file, off_t size) {
    GUARDED(int, is_watched(file), ALLOCATE, ftruncate, file, size);
}
int ftruncate64(int file, off64_t size) {
    GUARDED(int, is_watched(file), ALLOCATE, ftruncate64, file, size);
}

#define ALLOCATE_BODY(name)                                     \
    int moment;                                                 \
    if (!is_watched(file)) return REAL(name, file, from, size); \
    if (!enter(ALLOCATE, &moment)) return errno;                \
    const int got = REAL(name, file, from, size);               \
    if (moment) die();                                          \
    return got

int posix_fallocate(int file, off_t from, off_t size) {
    ALLOCATE_BODY(posix_fallocate);
}
int posix_fallocate64(int file, off64_t from, off64_t size) {
    ALLOCATE_BODY(posix_fallocate64);
}

int rename(const char* from, const char* to) {
    GUARDED(int, names_it(from), RENAME, rename, from, to);
}
int renameat(int one, const char* from, int other, const char* to) {
    GUARDED(int, names_it_at(one, from), RENAME, renameat, one, from, other, to);
}
int unlink(const char* path) {
    GUARDED(int, names_it(path), UNLINK, unlink, path);
}
int unlinkat(int directory, const char* path, int flags) {
    GUARDED(int, names_it_at(directory, path), UNLINK, unlinkat, directory, path, flags);
}

ssize_t send(int end, const void* bytes, size_t size, int flags) {
    GUARDED(ssize_t, is_our_socket(end), SEND, send, end, bytes, size, flags);
}
ssize_t sendmsg(int end, const struct msghdr* message, int flags) {
    GUARDED(ssize_t, is_our_socket(end), SEND, sendmsg, end, message, flags);
}
ssize_t recv(int end, void* bytes, size_t size, int flags) {
    GUARDED(ssize_t, is_our_socket(end), RECEIVE, recv, end, bytes, size, flags);
}
ssize_t recvmsg(int end, struct msghdr* message, int flags) {
    GUARDED(ssize_t, is_our_socket(end), RECEIVE, recvmsg, end, message, flags);
}

// Preloaded by trials.py: counts what a process changes below one folder, and stops it at a chosen change.
//
// faults_arm(KIND, AT, FOLDER) starts counting. KIND 'k' kills the process before change AT; 't' lets half of a write
// of change AT happen first; 'f' lets the disk be full from change AT on: what needs space fails, what frees it works.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

static char kind, folder[PATH_MAX];
static int at, count;

void faults_arm(char how, int number, const char *below)
{
    snprintf(folder, sizeof folder, "%s", below);
    at = number;
    count = 0;
    kind = how;
}

int faults_count(void) { return count; }

static int is_below(const char *path) { return strncmp(path, folder, strlen(folder)) == 0; }

static int names_below(int directory, const char *path)
{
    char where[PATH_MAX];
    if (path[0] == '/') return is_below(path);
    if (directory == AT_FDCWD) return getcwd(where, sizeof where) && is_below(where);
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", directory);
    ssize_t length = readlink(link, where, sizeof where - 1);
    if (length <= 0) return 0;
    where[length] = 0;
    return is_below(where);
}

// Whether the change must fail. A change that needs no space never does.
static int stopped(int needs_space)
{
    count++;
    if ((kind == 'k' || kind == 't') && count == at) {
        kill(getpid(), SIGKILL);
        pause();
    }
    if (kind == 'f' && needs_space && count >= at) {
        errno = ENOSPC;
        return 1;
    }
    return 0;
}

#define REAL(type, name, ...) \
    static type (*real)(__VA_ARGS__); \
    if (!real) real = (type(*)(__VA_ARGS__))dlsym(RTLD_NEXT, #name)
#define HIT(directory, path, needs_space) (kind && names_below(directory, path) && stopped(needs_space))

#define OPEN(name) \
    int name(const char *path, int flags, ...) \
    { \
        REAL(int, name, const char *, int, ...); \
        mode_t mode = 0; \
        if (flags & (O_CREAT | O_TMPFILE)) { \
            va_list rest; \
            va_start(rest, flags); \
            mode = va_arg(rest, mode_t); \
            va_end(rest); \
        } \
        if ((flags & (O_CREAT | O_TRUNC)) && HIT(AT_FDCWD, path, 1)) return -1; \
        return real(path, flags, mode); \
    }
OPEN(open)
OPEN(open64)

#define WRITES(name, ...) if (kind && number > 2 && names_below(number, ".")) { \
        if (kind == 't' && count + 1 == at && size > 1) real(__VA_ARGS__); \
        if (stopped(1)) return -1; \
    }
ssize_t write(int number, const void *bytes, size_t size)
{
    REAL(ssize_t, write, int, const void *, size_t);
    WRITES(write, number, bytes, size / 2)
    return real(number, bytes, size);
}

#define SENDFILE(name, offset_type) \
    ssize_t name(int number, int from, offset_type *offset, size_t size) \
    { \
        REAL(ssize_t, name, int, int, offset_type *, size_t); \
        WRITES(name, number, from, offset, size / 2) \
        return real(number, from, offset, size); \
    }
SENDFILE(sendfile, off_t)
SENDFILE(sendfile64, off64_t)

int rename(const char *from, const char *to)
{
    REAL(int, rename, const char *, const char *);
    return HIT(AT_FDCWD, to, 0) ? -1 : real(from, to);
}
int unlink(const char *path)
{
    REAL(int, unlink, const char *);
    return HIT(AT_FDCWD, path, 0) ? -1 : real(path);
}
int unlinkat(int directory, const char *path, int flags)
{
    REAL(int, unlinkat, int, const char *, int);
    return HIT(directory, path, 0) ? -1 : real(directory, path, flags);
}
int rmdir(const char *path)
{
    REAL(int, rmdir, const char *);
    return HIT(AT_FDCWD, path, 0) ? -1 : real(path);
}
int mkdir(const char *path, mode_t mode)
{
    REAL(int, mkdir, const char *, mode_t);
    return HIT(AT_FDCWD, path, 1) ? -1 : real(path, mode);
}
int symlink(const char *target, const char *path)
{
    REAL(int, symlink, const char *, const char *);
    return HIT(AT_FDCWD, path, 1) ? -1 : real(target, path);
}
int link(const char *from, const char *path)
{
    REAL(int, link, const char *, const char *);
    return HIT(AT_FDCWD, path, 1) ? -1 : real(from, path);
}
int chmod(const char *path, mode_t mode)
{
    REAL(int, chmod, const char *, mode_t);
    return HIT(AT_FDCWD, path, 0) ? -1 : real(path, mode);
}

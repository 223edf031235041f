/* Records, in one total order, what processes do to the files under one folder (P2; recording.py reads it).

   For LD_PRELOAD. Every write, change of size and of names is recorded with its data before it is done, every sync before
   it is asked for, and the end of each with its result. A record is one write in append mode, so those of many processes
   and threads do not mix; a recording with a gap is worse than none, so a failure aborts. What cannot be played back
   (a shared writable mapping, a file opened O_DSYNC) is recorded as such. All work is done by system calls of its own.
   RECORDER_LOG names the log, RECORDER_FOLDER the folder, absolute and without symbolic links. Linux, 64 bits. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#if __SIZEOF_POINTER__ != 8
#error "offsets are passed to the kernel in one register each"
#endif

#define TWIN(name) __attribute__((alias(#name)))
#define CHANGES (O_CREAT | O_TRUNC)
#define FLUSHES (O_DSYNC | O_DIRECT)

static int log_file = -1;
static char folder[PATH_MAX];
static size_t folder_size;

__attribute__((constructor)) static void start(void) {
    const char *path = getenv("RECORDER_LOG"), *watched = getenv("RECORDER_FOLDER");
    if (!path || !watched) return;
    folder_size = (size_t)snprintf(folder, sizeof folder, "%s/", watched);
    long opened = syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_APPEND | O_CLOEXEC, 0);
    if (opened < 0) abort();
    log_file = (int)syscall(SYS_fcntl, opened, F_DUPFD_CLOEXEC, 200); /* out of the way of whoever counts on a number */
    syscall(SYS_close, opened);
    if (log_file < 0) abort();
}

/* records */

struct header {
    uint32_t kind, thread;
    int64_t number;
    uint32_t path_size, data_size;
};

static void record(char kind, const char *path, int64_t number, const struct iovec *data, int count) {
    int saved = errno;
    struct header header = {(uint32_t)kind, (uint32_t)syscall(SYS_gettid), number, (uint32_t)strlen(path), 0};
    struct iovec parts[count + 2];
    for (int i = 0; i < count; i++) {
        parts[i + 2] = data[i];
        header.data_size += (uint32_t)data[i].iov_len;
    }
    parts[0] = (struct iovec){&header, sizeof header};
    parts[1] = (struct iovec){(void *)path, header.path_size};
    long size = (long)(sizeof header + header.path_size + header.data_size);
    if (syscall(SYS_writev, log_file, parts, count + 2) != size) abort();
    errno = saved;
}

static void begin(char kind, const char *path, int64_t number, const void *data, size_t size) {
    struct iovec part = {(void *)data, size};
    record(kind, path, number, &part, 1);
}

static long end(long result) {
    record('e', "", result, NULL, 0);
    return result;
}

/* which file: by its path at this moment */

static int watched(const char *path) {
    size_t size = strlen(path);
    return log_file >= 0 && !strncmp(path, folder, size + 1 == folder_size ? size : folder_size);
}

static int file_at(int file, char path[PATH_MAX]) {
    char link[64];
    if (log_file < 0 || file < 0) return 0;
    int saved = errno;
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    long size = syscall(SYS_readlinkat, AT_FDCWD, link, path, PATH_MAX - 1);
    errno = saved;
    path[size < 0 ? 0 : size] = 0;
    return size > 0 && watched(path);
}

static int name_at(int directory, const char *name, char path[PATH_MAX]) {
    char link[64], parent[PATH_MAX] = "";
    if (log_file < 0 || !name) return 0;
    if (name[0] != '/') {
        int saved = errno;
        if (directory == AT_FDCWD) strcpy(link, "/proc/self/cwd");
        else snprintf(link, sizeof link, "/proc/self/fd/%d", directory);
        long size = syscall(SYS_readlinkat, AT_FDCWD, link, parent, PATH_MAX - 2);
        errno = saved;
        if (size < 0) return 0;
        parent[size] = '/';
    }
    return snprintf(path, PATH_MAX, "%s%s", parent, name) < PATH_MAX && watched(path);
}

static int64_t place(int file) {
    long flags = syscall(SYS_fcntl, file, F_GETFL);
    struct stat found;
    if (flags & O_APPEND) return fstat(file, &found) ? -1 : found.st_size;
    return syscall(SYS_lseek, file, 0, SEEK_CUR);
}

/* contents */

ssize_t write(int file, const void *data, size_t size) {
    char path[PATH_MAX];
    if (!file_at(file, path)) return syscall(SYS_write, file, data, size);
    begin('w', path, place(file), data, size);
    return end(syscall(SYS_write, file, data, size));
}

ssize_t pwrite(int file, const void *data, size_t size, off_t offset) {
    char path[PATH_MAX];
    if (!file_at(file, path)) return syscall(SYS_pwrite64, file, data, size, offset);
    begin('w', path, offset, data, size);
    return end(syscall(SYS_pwrite64, file, data, size, offset));
}
ssize_t pwrite64(int file, const void *data, size_t size, off64_t offset) TWIN(pwrite);

ssize_t pwritev2(int file, const struct iovec *data, int count, off_t offset, int flags) {
    char path[PATH_MAX];
    if (!file_at(file, path)) return syscall(SYS_pwritev2, file, data, count, offset, 0, flags);
    record(flags ? 'x' : 'w', path, offset < 0 ? place(file) : offset, data, count);
    return end(syscall(SYS_pwritev2, file, data, count, offset, 0, flags));
}
ssize_t pwritev64v2(int file, const struct iovec *data, int count, off64_t offset, int flags) TWIN(pwritev2);

ssize_t writev(int file, const struct iovec *data, int count) { return pwritev2(file, data, count, -1, 0); }
ssize_t pwritev(int file, const struct iovec *data, int count, off_t offset) {
    return offset < 0 ? (errno = EINVAL, -1) : pwritev2(file, data, count, offset, 0);
}
ssize_t pwritev64(int file, const struct iovec *data, int count, off64_t offset) TWIN(pwritev);

int ftruncate(int file, off_t size) {
    char path[PATH_MAX];
    if (!file_at(file, path)) return (int)syscall(SYS_ftruncate, file, size);
    begin('t', path, size, "", 0);
    return (int)end(syscall(SYS_ftruncate, file, size));
}
int ftruncate64(int file, off64_t size) TWIN(ftruncate);

int truncate(const char *name, off_t size) {
    char path[PATH_MAX];
    if (!name_at(AT_FDCWD, name, path)) return (int)syscall(SYS_truncate, name, size);
    begin('t', path, size, "", 0);
    return (int)end(syscall(SYS_truncate, name, size));
}
int truncate64(const char *name, off64_t size) TWIN(truncate);

int fallocate(int file, int mode, off_t offset, off_t size) {
    char path[PATH_MAX];
    if (!file_at(file, path)) return (int)syscall(SYS_fallocate, file, mode, offset, size);
    begin(mode ? 'x' : 'g', path, offset + size, "", 0);
    return (int)end(syscall(SYS_fallocate, file, mode, offset, size));
}
int fallocate64(int file, int mode, off64_t offset, off64_t size) TWIN(fallocate);

int posix_fallocate(int file, off_t offset, off_t size) {
    int saved = errno, failed = fallocate(file, 0, offset, size) ? errno : 0;
    errno = saved;
    return failed;
}
int posix_fallocate64(int file, off64_t offset, off64_t size) TWIN(posix_fallocate);

void *mmap(void *at, size_t size, int access, int flags, int file, off_t offset) {
    char path[PATH_MAX];
    if (flags & MAP_SHARED && access & PROT_WRITE && file_at(file, path)) begin('x', path, 0, "", 0), end(0);
    return (void *)syscall(SYS_mmap, at, size, access, flags, file, offset);
}
void *mmap64(void *at, size_t size, int access, int flags, int file, off64_t offset) TWIN(mmap);

/* what is asked to stay */

static int flush(int file, long call) {
    char path[PATH_MAX];
    if (!file_at(file, path)) return (int)syscall(call, file);
    begin('s', path, call == SYS_fsync, "", 0);
    return (int)end(syscall(call, file));
}
int fsync(int file) { return flush(file, SYS_fsync); }
int fdatasync(int file) { return flush(file, SYS_fdatasync); }

/* names */

static int open_at(int directory, const char *name, int flags, mode_t mode) {
    char path[PATH_MAX];
    if (!(flags & (CHANGES | FLUSHES)) || !name_at(directory, name, path))
        return (int)syscall(SYS_openat, directory, name, flags, mode);
    begin(flags & FLUSHES ? 'x' : flags & O_TRUNC ? 'c' : 'o', path, flags, "", 0);
    return (int)end(syscall(SYS_openat, directory, name, flags, mode));
}

#define MODE_AFTER(last) \
    mode_t mode = 0; \
    if (flags & (O_CREAT | O_TMPFILE)) { \
        va_list rest; \
        va_start(rest, last); \
        mode = va_arg(rest, mode_t); \
        va_end(rest); \
    }

int open(const char *name, int flags, ...) {
    MODE_AFTER(flags)
    return open_at(AT_FDCWD, name, flags, mode);
}
int open64(const char *name, int flags, ...) TWIN(open);

int openat(int directory, const char *name, int flags, ...) {
    MODE_AFTER(flags)
    return open_at(directory, name, flags, mode);
}
int openat64(int directory, const char *name, int flags, ...) TWIN(openat);

static int move(char kind, const char *from, const char *to, long call, int flags) {
    char path[PATH_MAX], target[PATH_MAX];
    if (!name_at(AT_FDCWD, from, path) || !name_at(AT_FDCWD, to, target))
        return (int)syscall(call, AT_FDCWD, from, AT_FDCWD, to, flags);
    begin(kind, path, 0, target, strlen(target));
    return (int)end(syscall(call, AT_FDCWD, from, AT_FDCWD, to, flags));
}
int rename(const char *from, const char *to) { return move('r', from, to, SYS_renameat2, 0); }
int link(const char *from, const char *to) { return move('l', from, to, SYS_linkat, 0); }

int unlinkat(int directory, const char *name, int flags) {
    char path[PATH_MAX];
    if (!name_at(directory, name, path)) return (int)syscall(SYS_unlinkat, directory, name, flags);
    begin('u', path, flags, "", 0);
    return (int)end(syscall(SYS_unlinkat, directory, name, flags));
}
int unlink(const char *name) { return unlinkat(AT_FDCWD, name, 0); }
int rmdir(const char *name) { return unlinkat(AT_FDCWD, name, AT_REMOVEDIR); }

int mkdir(const char *name, mode_t mode) {
    char path[PATH_MAX];
    if (!name_at(AT_FDCWD, name, path)) return (int)syscall(SYS_mkdirat, AT_FDCWD, name, mode);
    begin('m', path, mode, "", 0);
    return (int)end(syscall(SYS_mkdirat, AT_FDCWD, name, mode));
}

/* streams: libc writes them without asking us, so all that is in one is recorded when it is closed */

FILE *fopen(const char *name, const char *mode) {
    FILE *(*real)(const char *, const char *) = (FILE * (*)(const char *, const char *)) dlsym(RTLD_NEXT, "fopen");
    char path[PATH_MAX];
    if (mode[0] == 'r' || !name_at(AT_FDCWD, name, path)) return real(name, mode);
    begin(mode[0] == 'w' ? 'c' : 'o', path, 0, "", 0);
    FILE *opened = real(name, mode);
    end(opened ? 0 : -1);
    return opened;
}
FILE *fopen64(const char *name, const char *mode) TWIN(fopen);

int fclose(FILE *stream) {
    int (*real)(FILE *) = (int (*)(FILE *))dlsym(RTLD_NEXT, "fclose");
    char path[PATH_MAX];
    int file = fileno(stream);
    if (!file_at(file, path) || (syscall(SYS_fcntl, file, F_GETFL) & O_ACCMODE) == O_RDONLY) return real(stream);
    struct stat found;
    if (fflush(stream) || fstat(file, &found)) return real(stream);
    int again = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
    char *all = malloc((size_t)found.st_size + 1);
    if (again >= 0 && all && pread(again, all, (size_t)found.st_size, 0) == found.st_size) {
        begin('w', path, 0, all, (size_t)found.st_size);
        end(found.st_size);
    }
    free(all);
    if (again >= 0) syscall(SYS_close, again);
    return real(stream);
}

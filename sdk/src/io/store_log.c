#include "store_log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HEADER       32
#define FRAME_HEADER 24
#define PAGE_MOST    65536
#define MAGIC        UINT32_C(0x377f0682) /* its last bit: the sums are of big-endian words */
#define VERSION      UINT32_C(3007000)

struct sum {
    uint32_t a, b;
};

struct log {
    int fd;
    uint8_t header[HEADER];
    uint32_t page_size;
    uint8_t salts[8];
    bool big_endian;
    bool header_bad;
    struct sum sum; /* of all that was whole so far */
    uint64_t at;    /* the next frame */
    uint8_t *frame; /* FRAME_HEADER + page_size */
};

static uint32_t get32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void put32(uint8_t *p, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        p[i] = (uint8_t)(value >> (24 - 8 * i));
}

static uint32_t word(const uint8_t *p, bool big_endian)
{
    return big_endian ? get32(p) : (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0];
}

static struct sum sum_of(struct sum s, const uint8_t *p, size_t len, bool big_endian)
{
    for (size_t i = 0; i + 8 <= len; i += 8) {
        s.a += word(p + i, big_endian) + s.b;
        s.b += word(p + i + 4, big_endian) + s.a;
    }
    return s;
}

/* Of a frame, all before it summed up in s. */
static struct sum frame_sum(const struct log *log, struct sum s)
{
    s = sum_of(s, log->frame, 8, log->big_endian);
    return sum_of(s, log->frame + FRAME_HEADER, log->page_size, log->big_endian);
}

static bool read_at(int fd, uint8_t *out, size_t len, uint64_t at)
{
    for (size_t got = 0; got < len;) {
        ssize_t n = pread(fd, out + got, len - got, (off_t)(at + got));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        got += (size_t)n;
    }
    return true;
}

static bool next_frame(struct log *log)
{
    const uint64_t size = FRAME_HEADER + log->page_size;
    if (!read_at(log->fd, log->frame, (size_t)size, HEADER + log->at * size))
        return false;
    log->at++;
    return true;
}

static bool frame_is_ours(const struct log *log)
{
    return memcmp(log->frame + 8, log->salts, sizeof log->salts) == 0;
}

static bool frame_commits(const struct log *log)
{
    return get32(log->frame + 4) != 0;
}

/* The next frame is measured from the sum that stands in this one, so a bad page leaves the frames behind it whole. */
static bool frame_is_whole(struct log *log)
{
    const struct sum s = frame_sum(log, log->sum);
    log->sum = (struct sum){get32(log->frame + 16), get32(log->frame + 20)};
    return frame_is_ours(log) && get32(log->frame) != 0 && log->sum.a == s.a && log->sum.b == s.b;
}

static bool valid_page_size(uint32_t size)
{
    return size >= 512 && size <= PAGE_MOST && (size & (size - 1)) == 0;
}

/* Where the log's own header is bad: the size of a page is in the file's. */
static uint32_t page_size_of(const char *path)
{
    uint8_t head[18];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool read = fd >= 0 && read_at(fd, head, sizeof head, 0);
    if (fd >= 0)
        close(fd);
    uint32_t size = read ? (uint32_t)head[16] << 8 | head[17] : 0;
    size = size == 1 ? PAGE_MOST : size;
    return valid_page_size(size) ? size : 4096; /* SQLite's own, of a file that is all in its log */
}

static bool header_is_good(struct log *log)
{
    const uint32_t magic = get32(log->header);
    log->big_endian = magic & 1;
    log->page_size = get32(log->header + 8);
    log->sum = sum_of((struct sum){0, 0}, log->header, 24, log->big_endian);
    return (magic & ~UINT32_C(1)) == MAGIC && get32(log->header + 4) == VERSION && valid_page_size(log->page_size) &&
           get32(log->header + 24) == log->sum.a && get32(log->header + 28) == log->sum.b;
}

/* false: there is none, or it holds no frame. */
static bool open_log(const char *path, struct log *log)
{
    static const uint8_t none[8];
    char name[PATH_MAX + 8];
    *log = (struct log){.fd = -1};
    if ((size_t)snprintf(name, sizeof name, "%s-wal", path) >= sizeof name)
        return false;
    log->fd = open(name, O_RDONLY | O_CLOEXEC);
    if (log->fd < 0 || !read_at(log->fd, log->header, HEADER, 0))
        return false;
    log->header_bad = !header_is_good(log);
    if (log->header_bad) {
        log->page_size = page_size_of(path);
        log->big_endian = __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__;
        log->sum = (struct sum){get32(log->header + 24), get32(log->header + 28)};
    }
    log->frame = malloc(FRAME_HEADER + log->page_size);
    if (!log->frame)
        return false;
    memcpy(log->salts, log->header + 16, sizeof log->salts);
    if (log->header_bad) { /* those of the first frame then */
        if (!next_frame(log))
            return false;
        memcpy(log->salts, log->frame + 8, sizeof log->salts);
        log->at = 0;
    }
    return memcmp(log->salts, none, sizeof none) != 0;
}

static void close_log(struct log *log)
{
    if (log->fd >= 0)
        close(log->fd);
    free(log->frame);
}

bool aivo_store_log_broken(const char *path)
{
    struct log log;
    uint64_t behind = 0; /* commits behind the first bad place */
    if (open_log(path, &log)) {
        bool whole = !log.header_bad;
        while (next_frame(&log)) {
            bool good = frame_is_whole(&log);
            behind += good && !whole && frame_commits(&log);
            whole = whole && good;
        }
    }
    close_log(&log);
    return behind >= (log.header_bad ? 1 : 2);
}

static bool write_all(int fd, const uint8_t *p, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, p, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        p += n;
        len -= (size_t)n;
    }
    return true;
}

static void seal_header(struct log *log, struct sum *sum)
{
    put32(log->header, MAGIC | log->big_endian);
    put32(log->header + 4, VERSION);
    put32(log->header + 8, log->page_size);
    memcpy(log->header + 16, log->salts, sizeof log->salts);
    *sum = sum_of((struct sum){0, 0}, log->header, 24, log->big_endian);
    put32(log->header + 24, sum->a);
    put32(log->header + 28, sum->b);
}

static void seal_frame(const struct log *log, struct sum *sum)
{
    *sum = frame_sum(log, *sum);
    put32(log->frame + 16, sum->a);
    put32(log->frame + 20, sum->b);
}

/* The bad pages are left out: a message that nobody sent is worse than one that is lost. */
static bool write_mended(struct log *log, int out)
{
    struct sum sum; /* of what is written; log->sum is of what is read */
    seal_header(log, &sum);
    bool ok = write_all(out, log->header, HEADER);
    while (ok && next_frame(log)) {
        if (!frame_is_whole(log))
            continue;
        seal_frame(log, &sum);
        ok = write_all(out, log->frame, FRAME_HEADER + log->page_size);
    }
    return ok;
}

static bool names(const char *path, char log[PATH_MAX + 16], char found[PATH_MAX + 16], char mended[PATH_MAX + 16])
{
    snprintf(log, PATH_MAX + 16, "%s-wal", path);
    snprintf(found, PATH_MAX + 16, "%s-wal-found", path);
    return (size_t)snprintf(mended, PATH_MAX + 16, "%s-wal-mended", path) < PATH_MAX + 16;
}

/* Its index is of the log as it was. */
static void forget_index(const char *path)
{
    char name[PATH_MAX + 16];
    if ((size_t)snprintf(name, sizeof name, "%s-shm", path) < sizeof name)
        unlink(name);
}

bool aivo_store_log_mend(const char *path)
{
    char name[PATH_MAX + 16], found[PATH_MAX + 16], mended[PATH_MAX + 16];
    struct log log = {.fd = -1};
    if (!names(path, name, found, mended))
        return false;
    int out = open(mended, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    bool ok = out >= 0 && open_log(path, &log) && write_mended(&log, out);
    close_log(&log);
    if (out >= 0)
        close(out);
    ok = ok && rename(name, found) == 0;
    if (ok && rename(mended, name) != 0) {
        rename(found, name);
        ok = false;
    }
    if (!ok)
        unlink(mended);
    else
        forget_index(path);
    return ok;
}

void aivo_store_log_unmend(const char *path)
{
    char name[PATH_MAX + 16], found[PATH_MAX + 16], mended[PATH_MAX + 16];
    if (!names(path, name, found, mended))
        return;
    if (rename(found, name) == 0)
        forget_index(path);
    unlink(mended);
}

/* The history's file. Used by one thread at a time. */
#ifndef AIVO_IO_HISTORY_FILE_H
#define AIVO_IO_HISTORY_FILE_H

#include <aivo/history.h>
#include <stddef.h>

#define AIVO_HISTORY_SAMPLES_MAX 100000
#define AIVO_HISTORY_SAMPLES_MS  (INT64_C(24) * 3600 * 1000)
#define AIVO_HISTORY_MINUTES_MS  (INT64_C(30) * 24 * 3600 * 1000)
#define AIVO_HISTORY_HOURS_MS    (INT64_C(5) * 366 * 24 * 3600 * 1000)
#define AIVO_HISTORY_TRACE_BYTES (INT64_C(64) * 1024 * 1024)

struct aivo_history_file;

/* A sample as it is kept. */
struct aivo_history_sample {
    int64_t time_ms;
    double latency_ms;           /* NAN: a lost probe */
    uint64_t lost, loss_samples; /* since the sample before */
    enum aivo_level level;
    bool event; /* the level is another than the sample's before */
};

enum aivo_status aivo_history_file_open(const char *path, bool write, struct aivo_history_file **out,
                                        struct aivo_error *err);
void aivo_history_file_close(struct aivo_history_file *file);
/* One transaction: samples, trace text (whole lines), the minutes and hours that ended before now_ms, and what is too
 * old goes. */
enum aivo_status aivo_history_file_write(struct aivo_history_file *file, const struct aivo_history_sample *samples,
                                         size_t count, const char *trace, size_t trace_len, int64_t now_ms,
                                         struct aivo_error *err);

/* Deleting what is too old, step by step. */
struct aivo_history_pruning {
    int64_t before_ms;
    bool recording;    /* the newest run goes on: it stays */
    bool planned;      /* trace_end is known */
    int64_t trace_end; /* the first piece that stays */
    uint64_t rows;     /* samples, minutes and hours deleted */
};
/* One step, a transaction of its own. *done: there was nothing left to do. */
enum aivo_status aivo_history_file_prune(struct aivo_history_file *file, struct aivo_history_pruning *pruning,
                                         bool *done, struct aivo_error *err);
enum aivo_status aivo_history_file_read(struct aivo_history_file *file, enum aivo_history_span span, int64_t from_ms,
                                        int64_t to_ms, bool (*fn)(void *user, const struct aivo_history_row *row),
                                        void *user, struct aivo_error *err);
/* The trace in order, piece by piece of whole lines, until fn says no. */
enum aivo_status aivo_history_file_trace(struct aivo_history_file *file,
                                         bool (*fn)(void *user, const char *text, size_t len), void *user,
                                         struct aivo_error *err);

#endif

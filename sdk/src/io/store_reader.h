/* Looking at a queue's file beside its writer: read only, without the writer's lock. One thread at a time. */
#ifndef AIVO_IO_STORE_READER_H
#define AIVO_IO_STORE_READER_H

#include "store.h"

struct aivo_store_reader;

#define AIVO_STORE_ALL_LANES (-1)

struct aivo_store_counts {
    uint64_t pending, bytes, later, behind, departed, dead;
    int64_t oldest_ms; /* Unix time, 0: none */
};

/* AIVO_E_NOT_FOUND: no such file; AIVO_E_CORRUPT: damaged, or no queue; AIVO_E_STORE. */
enum aivo_status aivo_store_reader_open(const char *path, struct aivo_store_reader **out, struct aivo_error *err);
/* AIVO_E_CORRUPT: a writer would move it aside. */
enum aivo_status aivo_store_reader_check(struct aivo_store_reader *r, struct aivo_error *err);
void aivo_store_reader_close(struct aivo_store_reader *r);
/* The file's queues as they are now; the names stay until the next call. */
enum aivo_status aivo_store_reader_lanes(struct aivo_store_reader *r, struct aivo_store_info *info,
                                         struct aivo_error *err);
enum aivo_status aivo_store_reader_count(struct aivo_store_reader *r, int lane, struct aivo_store_counts *out,
                                         struct aivo_error *err);
/* Messages (or dead letters) with seq > after, in order. */
enum aivo_status aivo_store_reader_list(struct aivo_store_reader *r, bool dead, int lane, int64_t after, uint32_t limit,
                                        aivo_store_row_fn fn, void *user, struct aivo_error *err);
/* The one with this id; *found. */
enum aivo_status aivo_store_reader_show(struct aivo_store_reader *r, bool dead, const char *id, aivo_store_row_fn fn,
                                        void *user, bool *found, struct aivo_error *err);

#endif

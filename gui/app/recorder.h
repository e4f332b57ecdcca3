/*
 * The history of one connection on disk: opened in a worker when first needed, shared by the client that records and
 * by whoever reads, closed in a worker by the last of them. A damaged file is put aside.
 */
#ifndef AIVO_APP_RECORDER_H
#define AIVO_APP_RECORDER_H

#include <aivo-gtk/series.h>
#include <aivo/history.h>
#include <gio/gio.h>

G_BEGIN_DECLS

typedef struct _AivoRecorder AivoRecorder;

AivoRecorder *aivo_recorder_new(const char *path);
AivoRecorder *aivo_recorder_ref(AivoRecorder *recorder);
/* NULL is allowed. Never blocks: the last one's closing is a worker's. */
void aivo_recorder_unref(AivoRecorder *recorder);
/* The same in a worker, which waits for the closing. */
void aivo_recorder_unref_in_worker(AivoRecorder *recorder);

/* The open history; NULL: it cannot be had. *notice (owned by the caller) is set once when there is something to say.
 * Blocks; from any thread. Borrowed, with the recorder. */
struct aivo_history *aivo_recorder_open(AivoRecorder *recorder, char **notice);
/* What a chart of a week needs, if so many days are kept: minutes, and single samples of the last two hours; times
 * rise. NULL: nothing. Blocks. */
GArray *aivo_recorder_read_week(AivoRecorder *recorder, guint days, gint64 now_ms); /* of AivoQualityPoint */

/* The time before which nothing is kept; 0 days: the end of all times. */
gint64 aivo_recorder_border(guint days, gint64 now_ms);
/* Deletes what is older than so many days (0: all), in a worker. A file that is not there is not made. */
void aivo_recorder_prune_async(AivoRecorder *recorder, guint days, GAsyncReadyCallback done, gpointer user);
gboolean aivo_recorder_prune_finish(GAsyncResult *result, GError **error);

G_END_DECLS
#endif

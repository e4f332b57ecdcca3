/*
 * Measures connections: the only file that knows the SDK's client. One service thread for all of them; callbacks come
 * on the main thread; what waits (for a disk, for a client to end) is done in workers.
 */
#ifndef AIVO_APP_MONITOR_H
#define AIVO_APP_MONITOR_H

#include "queue-file.h"
#include "secrets.h"

G_BEGIN_DECLS

/* How to measure. */
typedef struct {
    guint interval_ms;
    double excellent_ms, good_ms, fair_ms;
    gboolean classic;
    guint history_days; /* so long is history kept on disk; 0: none */
} AivoTuning;

#define AIVO_TYPE_MONITOR (aivo_monitor_get_type())
G_DECLARE_FINAL_TYPE(AivoMonitor, aivo_monitor, AIVO, MONITOR, GObject)

AivoMonitor *aivo_monitor_new(AivoSecrets *secrets);
/* What runs is begun anew if it is measured otherwise than before; history that is now too old is deleted. */
void aivo_monitor_set_tuning(AivoMonitor *monitor, const AivoTuning *tuning);

/* Connects, and stays connected, as the profile says; a paused one only gets its history. Begun again if it runs. */
void aivo_monitor_start(AivoMonitor *monitor, AivoConnection *connection);
/* Disconnects. Returns at once; no callback touches the connection any more. */
void aivo_monitor_stop(AivoMonitor *monitor, AivoConnection *connection);
/* As _stop, and deletes its history and queue. */
void aivo_monitor_forget(AivoMonitor *monitor, AivoConnection *connection);
/* A waiting attempt is made at once; connection NULL: of all. What was given up begins anew. */
void aivo_monitor_retry_now(AivoMonitor *monitor, AivoConnection *connection);
/* Ends everything; done is called when no file and no socket is open any more. */
void aivo_monitor_shutdown_async(AivoMonitor *monitor, GAsyncReadyCallback done, gpointer user);

/* Is its client there, so that the queue's calls below work? */
gboolean aivo_monitor_is_running(AivoMonitor *monitor, AivoConnection *connection);
/* Queues a message for durable delivery. args: a JSON array's text. */
void aivo_monitor_send_async(AivoMonitor *monitor, AivoConnection *connection, const char *event, const char *args,
                             GAsyncReadyCallback done, gpointer user);
/* As aivo_queue_file_change_async(), of a client that has the file. */
void aivo_monitor_change_queue_async(AivoMonitor *monitor, AivoConnection *connection, AivoQueueAct act, const char *id,
                                     gint64 not_after_ms, GAsyncReadyCallback done, gpointer user);
/* Of both: how many messages; -1 with error set. */
gssize aivo_monitor_queue_finish(AivoMonitor *monitor, GAsyncResult *result, GError **error);

G_END_DECLS
#endif

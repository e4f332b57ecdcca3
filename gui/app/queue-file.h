/* A look into a queue's file, beside the program that writes it; and changes, where no program has it. In workers. */
#ifndef AIVO_APP_QUEUE_FILE_H
#define AIVO_APP_QUEUE_FILE_H

#include "connection.h"

G_BEGIN_DECLS

#define AIVO_QUEUE_FILE_LIST_MAX 100 /* messages of each kind that are listed */

#define AIVO_TYPE_QUEUE_MESSAGE (aivo_queue_message_get_type())
G_DECLARE_FINAL_TYPE(AivoQueueMessage, aivo_queue_message, AIVO, QUEUE_MESSAGE, GObject)
struct _AivoQueueMessage {
    GObject parent;
    char *id, *event, *args, *last_error; /* last_error: NULL: no attempt failed */
    const char *state;                    /* "waiting", "later", "behind", "dead"; static */
    gint64 created_ms;
    guint attempts;
    gboolean dead;
};

typedef struct {
    AivoQueueFigures figures; /* in_flight is not in the file: 0 */
    GPtrArray *messages;      /* of AivoQueueMessage: dead letters, then the others, oldest first */
    gboolean more;            /* there are more than are listed */
} AivoQueueContent;

void aivo_queue_content_free(AivoQueueContent *content);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AivoQueueContent, aivo_queue_content_free)

/* A file that is not there is an empty queue, with figures.known FALSE. */
void aivo_queue_file_read_async(const char *path, GAsyncReadyCallback done, gpointer user);
AivoQueueContent *aivo_queue_file_read_finish(GAsyncResult *result, GError **error);

typedef enum {
    AIVO_QUEUE_RETRY_DEAD,
    AIVO_QUEUE_PURGE_DEAD,
    AIVO_QUEUE_PURGE_WAITING, /* those that are in flight stay */
} AivoQueueAct;

/* Dead letters: id NULL: all of them. Waiting messages: those queued at not_after_ms (Unix time) or before. Refused
 * while a program has the file. _finish: how many; -1 with error set. */
void aivo_queue_file_change_async(const char *path, AivoQueueAct act, const char *id, gint64 not_after_ms,
                                  GAsyncReadyCallback done, gpointer user);
gssize aivo_queue_file_change_finish(GAsyncResult *result, GError **error);

G_END_DECLS
#endif

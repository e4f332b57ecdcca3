/*
 * The events of a connection on disk, so that they outlive the program: the newest AIVO_EVENT_FILE_KEEP, in a text file
 * to which is added. What looks like a credential is left out. A damaged file is put aside.
 */
#ifndef AIVO_APP_EVENT_FILE_H
#define AIVO_APP_EVENT_FILE_H

#include "event-log.h"

G_BEGIN_DECLS

#define AIVO_EVENT_FILE_KEEP 1000 /* entries; the file is shortened to them when it has twice as many lines */

typedef struct _AivoEventFile AivoEventFile;

/* What is added to log from now on is written, once the file has been read. The log's only one. log NULL: nothing is.
 * On the main thread. */
AivoEventFile *aivo_event_file_new(const char *path, AivoEventLog *log);
AivoEventFile *aivo_event_file_ref(AivoEventFile *file); /* from any thread */
void aivo_event_file_unref(AivoEventFile *file);         /* NULL is allowed. From any thread */
/* Lets go of the log: nothing more is added. On the main thread. */
void aivo_event_file_detach(AivoEventFile *file);

/* These wait for the disk. */

/* What is in the file and not older than so many days, as AivoEvents, newest first; to be called once, and first.
 * *notice (owned by the caller) is set when there is something to say. */
GPtrArray *aivo_event_file_read(AivoEventFile *file, guint days, char **notice);
/* Writes what waits. */
void aivo_event_file_flush(AivoEventFile *file);
/* Drops what is older than so many days. */
void aivo_event_file_prune(AivoEventFile *file, guint days);
/* Nothing is written any more, and the file is deleted. */
void aivo_event_file_delete(AivoEventFile *file);

/* The text without what looks like a credential: tokens, values of a URL's query, users and passwords. The caller frees
 * it. */
char *aivo_event_file_mask(const char *text);

G_END_DECLS
#endif

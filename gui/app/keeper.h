/* What is kept of connections on disk, their history and their events, for as many days as is set. On the main thread;
 * what waits for the disk is done in workers. */
#ifndef AIVO_APP_KEEPER_H
#define AIVO_APP_KEEPER_H

#include "connection.h"
#include "event-file.h"
#include "recorder.h"

G_BEGIN_DECLS

typedef struct _AivoKeeper AivoKeeper;

AivoKeeper *aivo_keeper_new(void);
void aivo_keeper_free(AivoKeeper *keeper);

/* 0: nothing is kept. What is open closes then, when its last user lets go of it. */
void aivo_keeper_set_days(AivoKeeper *keeper, guint days);
/* Borrowed; NULL: nothing is kept. */
AivoRecorder *aivo_keeper_recorder(AivoKeeper *keeper, AivoConnection *connection);
AivoEventFile *aivo_keeper_events(AivoKeeper *keeper, AivoConnection *connection);

/* Deletes what is too old, and says into the connection's log what prevents it. */
void aivo_keeper_prune(AivoKeeper *keeper, AivoConnection *connection);
/* Lets go of a connection's files, or of all. */
void aivo_keeper_forget(AivoKeeper *keeper, AivoConnection *connection);
void aivo_keeper_close(AivoKeeper *keeper);

G_END_DECLS
#endif

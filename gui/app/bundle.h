/*
 * A support bundle: one .tar.gz with everything that helps somebody else to understand a connection, and no secret:
 * report.json (versions, settings, profile, state, quality, queue), events.csv, history.csv, chart.png, README.txt.
 */
#ifndef AIVO_APP_BUNDLE_H
#define AIVO_APP_BUNDLE_H

#include "connection.h"
#include <gdk/gdk.h>

G_BEGIN_DECLS

/* "aivo-support-20260131-120000.tar.gz". The caller frees it. */
char *aivo_bundle_dup_file_name(void);
/* What is in it is collected at once, and written in a worker. chart may be NULL. */
void aivo_bundle_save_async(AivoConnection *connection, GdkTexture *chart, GFile *file, GAsyncReadyCallback done,
                            gpointer user);
gboolean aivo_bundle_save_finish(GAsyncResult *result, GError **error);
/* The parts, for tests and for copying. The caller frees them. */
char *aivo_bundle_dup_report(AivoConnection *connection);
char *aivo_bundle_dup_events(AivoConnection *connection);
char *aivo_bundle_dup_history(AivoConnection *connection);

G_END_DECLS
#endif

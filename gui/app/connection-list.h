/* The connections there are: read from their file, added, changed, removed and kept; each change is told to the monitor
 * and to the Secret Service. */
#ifndef AIVO_APP_CONNECTION_LIST_H
#define AIVO_APP_CONNECTION_LIST_H

#include "monitor.h"

G_BEGIN_DECLS

/*
 * Property loaded (boolean, read-only): the file has been read. Signal notice(string): something for people to know.
 */
#define AIVO_TYPE_CONNECTION_LIST (aivo_connection_list_get_type())
G_DECLARE_FINAL_TYPE(AivoConnectionList, aivo_connection_list, AIVO, CONNECTION_LIST, GObject)

AivoConnectionList *aivo_connection_list_new(AivoMonitor *monitor, AivoSecrets *secrets);
/* Reads the file and starts what is in it. Returns at once. */
void aivo_connection_list_load(AivoConnectionList *list);
gboolean aivo_connection_list_is_loaded(AivoConnectionList *list);
GListModel *aivo_connection_list_get_model(AivoConnectionList *list); /* of AivoConnection; borrowed */
/* Borrowed; NULL: there is none. */
AivoConnection *aivo_connection_list_find(AivoConnectionList *list, const char *id);
AivoConnection *aivo_connection_list_find_url(AivoConnectionList *list, const char *url);

/* Adds and starts; the profile is copied. Borrowed; NULL: too many. secret may be NULL. */
AivoConnection *aivo_connection_list_add(AivoConnectionList *list, const AivoProfile *profile, const char *secret);
/* secret NULL: as it was; "": none any more. */
void aivo_connection_list_change(AivoConnectionList *list, AivoConnection *connection, const AivoProfile *profile,
                                 const char *secret);
void aivo_connection_list_set_paused(AivoConnectionList *list, AivoConnection *connection, gboolean paused);
/* With its history, its queue and its secret. */
void aivo_connection_list_remove(AivoConnectionList *list, AivoConnection *connection);

G_END_DECLS
#endif

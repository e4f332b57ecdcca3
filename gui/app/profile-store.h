/*
 * The file of connections (connections.conf): read once, written in a worker at each change. A file that cannot be
 * read is put aside under another name, never overwritten, and said so.
 */
#ifndef AIVO_APP_PROFILE_STORE_H
#define AIVO_APP_PROFILE_STORE_H

#include "profile.h"
#include <gio/gio.h>

G_BEGIN_DECLS

#define AIVO_CONNECTIONS_MAX 64 /* beyond that a file's connections are left out, and said so */

typedef struct {
    GPtrArray *profiles; /* of AivoProfile */
    GPtrArray *notices;  /* of char*: what was wrong, for people */
} AivoProfileStoreContent;

void aivo_profile_store_content_free(AivoProfileStoreContent *content);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AivoProfileStoreContent, aivo_profile_store_content_free)

/* $XDG_CONFIG_HOME/aivo-monitor/connections.conf. The caller frees it. */
char *aivo_profile_store_path(void);
/* Reads path; never fails: what is wrong is among the notices. Blocks. */
AivoProfileStoreContent *aivo_profile_store_read(const char *path);
/* Replaces path at once or not at all. Blocks. */
gboolean aivo_profile_store_write(const char *path, GPtrArray *profiles, GError **error);
/* Renames path to path.damaged-DATE. Returns the new name (the caller frees it), NULL: could not. Blocks. */
char *aivo_put_aside(const char *path);

/* The same in a worker. */
void aivo_profile_store_read_async(const char *path, GAsyncReadyCallback done, gpointer user);
AivoProfileStoreContent *aivo_profile_store_read_finish(GAsyncResult *result);
/* Writes follow one another in the order they were asked for. */
void aivo_profile_store_write_async(const char *path, GPtrArray *profiles, GAsyncReadyCallback done, gpointer user);
gboolean aivo_profile_store_write_finish(GAsyncResult *result, GError **error);

G_END_DECLS
#endif

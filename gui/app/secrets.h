/*
 * Tokens and signing secrets, kept by the Secret Service (org.freedesktop.secrets) and nowhere else: not in settings,
 * not in a file. Where there is no such service a secret is kept in this process until it ends, and "persistent" says
 * so.
 */
#ifndef AIVO_APP_SECRETS_H
#define AIVO_APP_SECRETS_H

#include <gio/gio.h>

G_BEGIN_DECLS

/* Property persistent (boolean, read-only): FALSE once a service was asked for and not there. */
#define AIVO_TYPE_SECRETS (aivo_secrets_get_type())
G_DECLARE_FINAL_TYPE(AivoSecrets, aivo_secrets, AIVO, SECRETS, GObject)

AivoSecrets *aivo_secrets_new(void);
gboolean aivo_secrets_is_persistent(AivoSecrets *secrets);
/* Why the service cannot be used; NULL: it can, as far as is known. Borrowed. */
const char *aivo_secrets_get_problem(AivoSecrets *secrets);

/* The secret of a connection. _finish: NULL: there is none; the caller frees it with aivo_secret_free(). */
void aivo_secrets_lookup_async(AivoSecrets *secrets, const char *id, GAsyncReadyCallback done, gpointer user);
char *aivo_secrets_lookup_finish(AivoSecrets *secrets, GAsyncResult *result);
/* Keeps it, in place of what was kept for the id; "" or NULL removes it. At once for later look-ups of this process.
 * _finish: TRUE: the service has it. */
void aivo_secrets_store_async(AivoSecrets *secrets, const char *id, const char *name, const char *secret,
                              GAsyncReadyCallback done, gpointer user);
gboolean aivo_secrets_store_finish(AivoSecrets *secrets, GAsyncResult *result);

/* Overwrites, then frees. NULL is allowed. */
void aivo_secret_free(char *secret);

G_END_DECLS
#endif

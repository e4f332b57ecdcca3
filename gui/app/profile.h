/*
 * What a connection is told, as plain data: a dialog edits it, a key file keeps it, monitor.c obeys it. There is no
 * secret in it; those are in secrets.h under the same id.
 */
#ifndef AIVO_APP_PROFILE_H
#define AIVO_APP_PROFILE_H

#include <glib-object.h>

G_BEGIN_DECLS

#define AIVO_PROFILE_TEXT_MAX 2047 /* bytes of any text in a profile */
#define AIVO_PROFILE_NAME_MAX 80   /* characters of a name */
#define AIVO_LOCAL_SERVER_URL "http://127.0.0.1:4003"
/* The secret that aivo-server itself uses where it is given none, and accepts on loopback only. Public by design. */
#define AIVO_DEVELOPMENT_SECRET "aivo-development-secret-do-not-use-in-production"

typedef enum {
    AIVO_AUTH_NONE = 0,
    AIVO_AUTH_TOKEN = 1,  /* a token as it is */
    AIVO_AUTH_SIGNED = 2, /* a short-lived token, signed at each connect with the server's secret; without one, with the
                             development secret, which servers accept on loopback only */
} AivoAuthMode;

typedef struct {
    char *id;   /* a UUID; the same for ever */
    char *name; /* what people call it; never empty */
    char *url;
    gboolean plain_websocket; /* no Socket.IO above the WebSocket */
    char *nsp;                /* "" means "/" */
    char *path;               /* "" means the protocol's own */
    AivoAuthMode auth;
    char *user; /* learner: goes with the token; AIVO_AUTH_SIGNED: whom the token names */
    char *ca_file, *cert_file, *key_file, *pin; /* "": none */
    gboolean insecure;
    char *proxy;      /* "": as the environment says */
    char *queue_path; /* "": a queue of its own; else the queue file of another program, to look into */
    gboolean paused;
} AivoProfile;

/* What a dialog can complain about. */
typedef enum {
    AIVO_FIELD_NAME,
    AIVO_FIELD_URL,
    AIVO_FIELD_NSP,
    AIVO_FIELD_PATH,
    AIVO_FIELD_USER,
    AIVO_FIELD_CA,
    AIVO_FIELD_CERT,
    AIVO_FIELD_PIN,
    AIVO_FIELD_PROXY,
    AIVO_FIELD_QUEUE,
    AIVO_FIELD_COUNT,
} AivoProfileField;

#define AIVO_TYPE_PROFILE (aivo_profile_get_type())
GType aivo_profile_get_type(void);

/* Every text "", a new id. */
AivoProfile *aivo_profile_new(void);
/* aivo-server on this machine, with its development secret. */
AivoProfile *aivo_profile_new_local(void);
/* For --url: named after the host; on this machine with the development secret, elsewhere with no credentials. */
AivoProfile *aivo_profile_new_for(const char *url);
AivoProfile *aivo_profile_copy(const AivoProfile *profile);
void aivo_profile_free(AivoProfile *profile);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AivoProfile, aivo_profile_free)
/* Replaces a text of a profile: aivo_profile_set(&profile->url, text). NULL is "". */
void aivo_profile_set(char **field, const char *text);
/* Do both connect in the same way? Name and paused do not count. */
gboolean aivo_profile_same_link(const AivoProfile *a, const AivoProfile *b);

/* What is wrong with a field, in words for whoever types it; NULL: nothing. The caller frees it. */
char *aivo_profile_problem(const AivoProfile *profile, AivoProfileField field);
gboolean aivo_profile_is_valid(const AivoProfile *profile);
/* The URL without what may be secret (query), for logs, notifications and bundles. The caller frees it. */
char *aivo_profile_public_url(const AivoProfile *profile);
/* "host" or "host:port", for a name where the user gave none; NULL: not a URL. The caller frees it. */
char *aivo_profile_host(const AivoProfile *profile);

/* To and from a group of a key file. _load returns NULL with error set where the group is no valid connection; a name
 * that is only too long is cut. */
void aivo_profile_save(const AivoProfile *profile, GKeyFile *file);
AivoProfile *aivo_profile_load(GKeyFile *file, const char *group, GError **error);

G_END_DECLS
#endif

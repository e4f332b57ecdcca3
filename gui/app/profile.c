#include "profile.h"
#include <gio/gio.h>
#include <glib/gi18n.h>
#include <string.h>

#define GROUP_PREFIX   "connection "
#define HOST_LABEL_MAX 63

/* By hand: G_DEFINE_BOXED_TYPE is no ISO C. */
GType aivo_profile_get_type(void)
{
    static gsize type;
    if (g_once_init_enter(&type))
        g_once_init_leave(&type, g_boxed_type_register_static("AivoProfile", (GBoxedCopyFunc)aivo_profile_copy,
                                                              (GBoxedFreeFunc)aivo_profile_free));
    return type;
}

/* Every text of a profile with its key in the file, once. The id is the group's name. */
static const struct {
    const char *key;
    size_t offset;
} texts[] = {
    {"name", G_STRUCT_OFFSET(AivoProfile, name)},
    {"url", G_STRUCT_OFFSET(AivoProfile, url)},
    {"namespace", G_STRUCT_OFFSET(AivoProfile, nsp)},
    {"path", G_STRUCT_OFFSET(AivoProfile, path)},
    {"user", G_STRUCT_OFFSET(AivoProfile, user)},
    {"ca-file", G_STRUCT_OFFSET(AivoProfile, ca_file)},
    {"cert-file", G_STRUCT_OFFSET(AivoProfile, cert_file)},
    {"key-file", G_STRUCT_OFFSET(AivoProfile, key_file)},
    {"pin", G_STRUCT_OFFSET(AivoProfile, pin)},
    {"proxy", G_STRUCT_OFFSET(AivoProfile, proxy)},
    {"queue-file", G_STRUCT_OFFSET(AivoProfile, queue_path)},
};

static const char *const auth_names[] = {"none", "token", "signed"};

static char **text_at(const AivoProfile *profile, size_t i)
{
    return (char **)G_STRUCT_MEMBER_P(profile, texts[i].offset);
}

AivoProfile *aivo_profile_new(void)
{
    AivoProfile *profile = g_new0(AivoProfile, 1);
    profile->id = g_uuid_string_random();
    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++)
        *text_at(profile, i) = g_strdup("");
    return profile;
}

AivoProfile *aivo_profile_new_local(void)
{
    AivoProfile *profile = aivo_profile_new();
    aivo_profile_set(&profile->name, _("This computer"));
    aivo_profile_set(&profile->url, AIVO_LOCAL_SERVER_URL);
    aivo_profile_set(&profile->user, "learner-1");
    profile->auth = AIVO_AUTH_SIGNED;
    return profile;
}

/* This machine itself, by one of its usual names. */
static gboolean on_loopback(const char *url)
{
    g_autoptr(GUri) uri = g_uri_parse(url, G_URI_FLAGS_NONE, NULL);
    const char *host = uri ? g_uri_get_host(uri) : NULL;
    if (!host)
        return FALSE;
    g_autoptr(GInetAddress) address = g_inet_address_new_from_string(host);
    return address ? g_inet_address_get_is_loopback(address) : g_ascii_strcasecmp(host, "localhost") == 0;
}

AivoProfile *aivo_profile_new_for(const char *url)
{
    AivoProfile *profile = aivo_profile_new_local();
    if (g_str_equal(url, profile->url))
        return profile;
    aivo_profile_set(&profile->url, url);
    if (!on_loopback(url)) {
        profile->auth = AIVO_AUTH_NONE;
        aivo_profile_set(&profile->user, "");
    }
    g_autofree char *host = aivo_profile_host(profile);
    aivo_profile_set(&profile->name, host ? host : url);
    return profile;
}

AivoProfile *aivo_profile_copy(const AivoProfile *profile)
{
    AivoProfile *copy = g_new(AivoProfile, 1);
    *copy = *profile;
    copy->id = g_strdup(profile->id);
    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++)
        *text_at(copy, i) = g_strdup(*text_at(profile, i));
    return copy;
}

void aivo_profile_free(AivoProfile *profile)
{
    if (!profile)
        return;
    g_free(profile->id);
    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++)
        g_free(*text_at(profile, i));
    g_free(profile);
}

void aivo_profile_set(char **field, const char *text)
{
    char *copy = g_strdup(text ? text : "");
    g_free(*field);
    *field = copy;
}

gboolean aivo_profile_same_link(const AivoProfile *a, const AivoProfile *b)
{
    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++)
        if (texts[i].offset != G_STRUCT_OFFSET(AivoProfile, name) && !g_str_equal(*text_at(a, i), *text_at(b, i)))
            return FALSE;
    return a->plain_websocket == b->plain_websocket && a->auth == b->auth && a->insecure == b->insecure;
}

/* ---------------------------------------------------------------- checks */

static gboolean has_scheme(const char *url, const char *const *schemes)
{
    for (; *schemes; schemes++)
        if (g_ascii_strncasecmp(url, *schemes, strlen(*schemes)) == 0 &&
            g_str_has_prefix(url + strlen(*schemes), "://"))
            return TRUE;
    return FALSE;
}

/* What it would be with a scheme, where it would be an address then. */
static char *with_scheme(const char *url, const char *const *schemes, const char *say_schemes)
{
    g_autofree char *plain = g_strconcat("http://", url, NULL);
    gboolean secure = !on_loopback(plain) && g_strv_contains(schemes, "https");
    g_autofree char *whole = g_strconcat(secure ? "https://" : "http://", url, NULL);
    g_autoptr(GUri) uri = g_uri_parse(whole, G_URI_FLAGS_NONE, NULL);
    if (!uri || !g_uri_get_host(uri) || !*g_uri_get_host(uri))
        return g_strdup(say_schemes);
    /* Translators: what an address must begin with, and what was probably meant. */
    return g_strdup_printf(_("%s: perhaps %s"), say_schemes, whole);
}

/* Names are looked up in pieces of 63 bytes at most. */
static gboolean has_long_label(const char *host)
{
    for (size_t len; *host; host += len + (host[len] != '\0'))
        if ((len = strcspn(host, ".")) > HOST_LABEL_MAX)
            return TRUE;
    return FALSE;
}

static char *problem_of_url(const char *url, const char *const *schemes, const char *say_schemes)
{
    if (!*url)
        return g_strdup(_("Enter the server’s address"));
    for (const char *p = url; *p; p++)
        if ((unsigned char)*p <= ' ' || (unsigned char)*p >= 0x7f)
            return g_strdup(_("No spaces or special characters"));
    if (!has_scheme(url, schemes))
        return strstr(url, "://") ? g_strdup(say_schemes) : with_scheme(url, schemes, say_schemes);
    g_autoptr(GError) error = NULL;
    g_autoptr(GUri) uri = g_uri_parse(url, G_URI_FLAGS_HAS_PASSWORD, &error);
    if (!uri)
        return g_strdup(_("This is not an address"));
    if (g_uri_get_userinfo(uri))
        return g_strdup(_("No user or password in the address: it would be kept in plain text"));
    if (!g_uri_get_host(uri) || !*g_uri_get_host(uri))
        return g_strdup(_("The host is missing"));
    if (has_long_label(g_uri_get_host(uri)))
        return g_strdup_printf(_("No part of the host’s name is longer than %d characters"), HOST_LABEL_MAX);
    if (g_uri_get_fragment(uri))
        return g_strdup(_("No “#” in the address"));
    return g_uri_get_port(uri) == 0 ? g_strdup(_("Ports are 1 to 65535")) : NULL;
}

/* Socket.IO's path is not the address's: what follows the host there would be dropped without a word. */
static char *problem_of_server(const AivoProfile *profile)
{
    static const char *const schemes[] = {"http", "https", "ws", "wss", NULL};
    char *problem = problem_of_url(profile->url, schemes, _("Must begin with http://, https://, ws:// or wss://"));
    if (problem || profile->plain_websocket)
        return problem;
    g_autoptr(GUri) uri = g_uri_parse(profile->url, G_URI_FLAGS_NONE, NULL);
    const char *path = uri ? g_uri_get_path(uri) : "";
    return *path && !g_str_equal(path, "/") ? g_strdup(_("A path goes under Advanced")) : NULL;
}

static char *problem_of_file(const char *path)
{
    if (!*path)
        return NULL;
    if (!g_path_is_absolute(path))
        return g_strdup(_("The whole path is needed, from “/” on"));
    return NULL;
}

static char *problem_of_pin(const char *pin)
{
    if (!*pin)
        return NULL;
    g_auto(GStrv) pins = g_strsplit(pin, ";", -1);
    for (char **p = pins; *p; p++) {
        if (!g_str_has_prefix(*p, "sha256//"))
            return g_strdup(_("“sha256//” and the key’s digest in base64"));
        gsize len = 0;
        g_autofree guchar *digest = g_base64_decode(*p + strlen("sha256//"), &len);
        if (len != 32)
            return g_strdup(_("This is not a SHA-256 digest in base64"));
    }
    return NULL;
}

static char *problem_of_text(const AivoProfile *profile)
{
    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
        const char *text = *text_at(profile, i);
        if (strlen(text) > AIVO_PROFILE_TEXT_MAX)
            return g_strdup(_("Too long"));
        if (!g_utf8_validate(text, -1, NULL))
            return g_strdup(_("This is no text"));
        for (const char *p = text; *p; p++)
            if (g_ascii_iscntrl(*p))
                return g_strdup(_("No control characters"));
    }
    return NULL;
}

static char *problem_of_path(const char *path)
{
    if (!*path)
        return NULL;
    if (*path != '/')
        return g_strdup(_("Begins with “/”"));
    return strpbrk(path, " ?#") ? g_strdup(_("No spaces, “?” or “#”")) : NULL;
}

static char *problem_of_proxy(const char *proxy)
{
    static const char *const schemes[] = {"http", NULL};
    return *proxy ? problem_of_url(proxy, schemes, _("Must begin with http://")) : NULL;
}

static char *problem_of_cert(const AivoProfile *profile)
{
    if (!*profile->cert_file != !*profile->key_file)
        return g_strdup(_("A client certificate needs its key, and a key its certificate"));
    char *problem = problem_of_file(profile->cert_file);
    return problem ? problem : problem_of_file(profile->key_file);
}

char *aivo_profile_problem(const AivoProfile *profile, AivoProfileField field)
{
    switch (field) {
    case AIVO_FIELD_NAME:
        return g_utf8_strlen(profile->name, -1) > AIVO_PROFILE_NAME_MAX ? g_strdup(_("Too long")) : NULL;
    case AIVO_FIELD_URL:
        return problem_of_server(profile);
    case AIVO_FIELD_NSP:
        return problem_of_path(profile->nsp);
    case AIVO_FIELD_PATH:
        return problem_of_path(profile->path);
    case AIVO_FIELD_USER:
        return profile->auth == AIVO_AUTH_SIGNED && !*profile->user ? g_strdup(_("Whom should the token name?")) : NULL;
    case AIVO_FIELD_CA:
        return problem_of_file(profile->ca_file);
    case AIVO_FIELD_CERT:
        return problem_of_cert(profile);
    case AIVO_FIELD_PIN:
        return problem_of_pin(profile->pin);
    case AIVO_FIELD_PROXY:
        return problem_of_proxy(profile->proxy);
    case AIVO_FIELD_QUEUE:
        return problem_of_file(profile->queue_path);
    case AIVO_FIELD_COUNT:
        break;
    }
    return NULL;
}

gboolean aivo_profile_is_valid(const AivoProfile *profile)
{
    g_autofree char *text = problem_of_text(profile);
    if (text)
        return FALSE;
    for (int field = 0; field < AIVO_FIELD_COUNT; field++) {
        g_autofree char *problem = aivo_profile_problem(profile, (AivoProfileField)field);
        if (problem)
            return FALSE;
    }
    return TRUE;
}

/* ------------------------------------------------------------- for people */

char *aivo_profile_public_url(const AivoProfile *profile)
{
    return g_strndup(profile->url, strcspn(profile->url, "?#"));
}

char *aivo_profile_host(const AivoProfile *profile)
{
    g_autoptr(GUri) uri = g_uri_parse(profile->url, G_URI_FLAGS_NONE, NULL);
    if (!uri || !g_uri_get_host(uri) || !*g_uri_get_host(uri))
        return NULL;
    if (g_uri_get_port(uri) <= 0)
        return g_strdup(g_uri_get_host(uri));
    gboolean v6 = strchr(g_uri_get_host(uri), ':') != NULL;
    return g_strdup_printf(v6 ? "[%s]:%d" : "%s:%d", g_uri_get_host(uri), g_uri_get_port(uri));
}

/* --------------------------------------------------------------- key file */

void aivo_profile_save(const AivoProfile *profile, GKeyFile *file)
{
    g_autofree char *group = g_strconcat(GROUP_PREFIX, profile->id, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++)
        if (**text_at(profile, i))
            g_key_file_set_string(file, group, texts[i].key, *text_at(profile, i));
    g_key_file_set_string(file, group, "auth", auth_names[profile->auth]);
    g_key_file_set_boolean(file, group, "plain-websocket", profile->plain_websocket);
    g_key_file_set_boolean(file, group, "insecure", profile->insecure);
    g_key_file_set_boolean(file, group, "paused", profile->paused);
}

/* What older files may have: a name that is only too long is no reason not to measure, nor is a path that never
 * counted. */
static void mend(AivoProfile *profile)
{
    if (g_utf8_validate(profile->name, -1, NULL) && g_utf8_strlen(profile->name, -1) > AIVO_PROFILE_NAME_MAX) {
        g_autofree char *begin = g_utf8_substring(profile->name, 0, AIVO_PROFILE_NAME_MAX - 1);
        g_autofree char *name = g_strconcat(begin, "…", NULL);
        aivo_profile_set(&profile->name, name);
    }
    const char *host = strstr(profile->url, "://");
    if (profile->plain_websocket || !host)
        return;
    const char *path = host + 3 + strcspn(host + 3, "/?#");
    g_autofree char *before = g_strndup(profile->url, (gsize)(path - profile->url));
    g_autofree char *url = g_strconcat(before, path + strcspn(path, "?#"), NULL);
    aivo_profile_set(&profile->url, url);
}

AivoProfile *aivo_profile_load(GKeyFile *file, const char *group, GError **error)
{
    const char *id = g_str_has_prefix(group, GROUP_PREFIX) ? group + strlen(GROUP_PREFIX) : NULL;
    if (!id || !g_uuid_string_is_valid(id)) {
        g_set_error(error, G_KEY_FILE_ERROR, G_KEY_FILE_ERROR_PARSE, _("“%s” is no connection"), group);
        return NULL;
    }
    g_autoptr(AivoProfile) profile = aivo_profile_new();
    aivo_profile_set(&profile->id, id);
    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_autofree char *text = g_key_file_get_string(file, group, texts[i].key, NULL);
        aivo_profile_set(text_at(profile, i), text);
    }
    g_autofree char *auth = g_key_file_get_string(file, group, "auth", NULL);
    for (size_t i = 0; auth && i < G_N_ELEMENTS(auth_names); i++)
        if (g_str_equal(auth, auth_names[i]))
            profile->auth = (AivoAuthMode)i;
    profile->plain_websocket = g_key_file_get_boolean(file, group, "plain-websocket", NULL);
    profile->insecure = g_key_file_get_boolean(file, group, "insecure", NULL);
    profile->paused = g_key_file_get_boolean(file, group, "paused", NULL);
    mend(profile);
    if (!aivo_profile_is_valid(profile)) {
        g_set_error(error, G_KEY_FILE_ERROR, G_KEY_FILE_ERROR_INVALID_VALUE, _("the connection “%s” makes no sense"),
                    *profile->name ? profile->name : id);
        return NULL;
    }
    if (!*profile->name)
        aivo_profile_set(&profile->name, profile->url);
    return g_steal_pointer(&profile);
}

#include "link-options.h"
#include "credential.h"

static const char *text_or_null(const char *text)
{
    return *text ? text : NULL;
}

void aivo_link_options(const AivoProfile *profile, const AivoTuning *tuning, struct aivo_options *options)
{
    aivo_options_init(options);
    options->url = profile->url;
    if (*profile->path)
        options->path = profile->path;
    else if (profile->plain_websocket)
        options->path = NULL;
    if (*profile->nsp)
        options->nsp = profile->nsp;
    options->protocol = profile->plain_websocket ? AIVO_PROTOCOL_WEBSOCKET : AIVO_PROTOCOL_SOCKETIO;
    options->proxy = text_or_null(profile->proxy);
    options->tls = (struct aivo_tls_options){.ca_file = text_or_null(profile->ca_file),
                                             .cert_file = text_or_null(profile->cert_file),
                                             .key_file = text_or_null(profile->key_file),
                                             .pin = text_or_null(profile->pin),
                                             .insecure = profile->insecure};
    if (!tuning)
        return;
    options->quality.interval_ms = tuning->interval_ms;
    options->quality.profile = tuning->classic ? AIVO_PROFILE_CLASSIC : AIVO_PROFILE_STANDARD;
    options->quality.thresholds.excellent_ms = tuning->excellent_ms;
    options->quality.thresholds.good_ms = tuning->good_ms;
    options->quality.thresholds.fair_ms = tuning->fair_ms;
}

char *aivo_link_auth_payload(const AivoProfile *profile, const char *secret, gint64 ttl_s)
{
    if (profile->auth == AIVO_AUTH_NONE)
        return aivo_credential_payload(NULL, profile->user);
    if (profile->auth == AIVO_AUTH_TOKEN)
        return aivo_credential_payload(secret, profile->user);
    if (!secret || !*secret)
        secret = AIVO_DEVELOPMENT_SECRET;
    return aivo_credential_signed_payload(secret, profile->user, g_get_real_time() / G_USEC_PER_SEC, ttl_s);
}

/* The SDK's options as a profile and the preferences have them; for the monitor's clients and for diagnoses. */
#ifndef AIVO_APP_LINK_OPTIONS_H
#define AIVO_APP_LINK_OPTIONS_H

#include "monitor.h"
#include <aivo/options.h>

G_BEGIN_DECLS

/* Texts stay the profile's, which must outlive the options. tuning may be NULL: the SDK's own. */
void aivo_link_options(const AivoProfile *profile, const AivoTuning *tuning, struct aivo_options *options);
/* The CONNECT payload; a signed token is made anew each time. NULL: none. The caller frees it with aivo_secret_free().
 */
char *aivo_link_auth_payload(const AivoProfile *profile, const char *secret, gint64 ttl_s);

G_END_DECLS
#endif

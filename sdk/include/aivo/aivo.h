/** @file aivo.h  Everything of libaivo in one include. */
#ifndef AIVO_AIVO_H
#define AIVO_AIVO_H

#include <aivo/client.h>
#include <aivo/diagnose.h>
#include <aivo/error.h>
#include <aivo/history.h>
#include <aivo/loop.h>
#include <aivo/options.h>
#include <aivo/outbox.h>
#include <aivo/quality.h>

#define AIVO_VERSION_MAJOR 0       /**< of the headers; aivo_version() is the library's */
#define AIVO_VERSION_MINOR 1       /**< of the headers */
#define AIVO_VERSION_PATCH 0       /**< of the headers */
#define AIVO_VERSION_TEXT  "0.1.0" /**< of the headers */

#ifdef __cplusplus
extern "C" {
#endif

/** The library's version at run time, "MAJOR.MINOR.PATCH"; static. Thread-safe. */
AIVO_API const char *aivo_version(void);

#ifdef __cplusplus
}
#endif
#endif

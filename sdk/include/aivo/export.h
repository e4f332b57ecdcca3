/** @file export.h  What is visible outside the library. */
#ifndef AIVO_EXPORT_H
#define AIVO_EXPORT_H

#if defined(AIVO_BUILDING) && defined(__GNUC__)
#define AIVO_API __attribute__((visibility("default")))
#else
#define AIVO_API
#endif

#endif

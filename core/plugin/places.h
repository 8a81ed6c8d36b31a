/*
 * places.h - where plugins and the default model lie, when nobody names them.
 *
 * The one idea: what belongs together is moved together. Beside the program (or the library) that
 * this code is in, at the place where the build put it, stands what it was built with; only if
 * nothing is there is it looked for where it was built or installed. A set-user-ID program looks
 * there alone. paths.c has the four names, once for build/ and once for PREFIX.
 */
#ifndef BNT_PLUGIN_PLACES_H
#define BNT_PLUGIN_PLACES_H

struct bnt_places {
    const char *plugins, *model;               /* absolute */
    const char *plugins_beside, *model_beside; /* from the program's folder; "" for none */
};
extern const struct bnt_places bnt_places; /* paths.c */

/* Absolute paths, whether or not something is there; they last. */
const char *bnt_plugin_dir(void);
const char *bnt_model_path(void);

#endif

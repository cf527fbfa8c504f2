/* What the fields of a record have to be, apart from what they refer to. */
#ifndef POD_DIRECTORY_VALIDATE_H
#define POD_DIRECTORY_VALIDATE_H

#include "directory/directory.h"

int directory_record_validate(enum directory_kind kind, const ProtobufCMessage *record, struct err *err);
/* Whether a record may take the place of the old one. */
int directory_change_validate(enum directory_kind kind, const ProtobufCMessage *old,
                              const ProtobufCMessage *record, struct err *err);

#endif

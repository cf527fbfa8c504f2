/* The numbers of WBXML 1.3 that reading and writing share. */
#ifndef POD_IMAPD_EAS_WBXML_WIRE_H
#define POD_IMAPD_EAS_WBXML_WIRE_H

#define VERSION_1_3      0x03
#define PUBLIC_ID_NONE   0x01
#define CHARSET_UTF8     0x6a /* MIBenum 106 */
#define TOKEN_PAGE       0x00 /* SWITCH_PAGE, and the page */
#define TOKEN_END        0x01
#define TOKEN_STR_I      0x03 /* text up to a NUL */
#define TOKEN_OPAQUE     0xc3 /* a length, and so many bytes */
#define TOKEN_CONTENT    0x40 /* in a tag: it has content, and an END */
#define TOKEN_ATTRIBUTES 0x80 /* in a tag: never in ActiveSync */
#define TOKEN_MASK       0x3f
#define TOKEN_FIRST      0x05 /* what is less is none of a code page */

#endif

MODULES += proc
proc_SRCS := $(wildcard lib/proc/*.c)
proc_LDLIBS := -lseccomp

# Writes tags.gen.h out of codepages.tsv: an X-macro row for each tag, in order of page and token.
BEGIN {
	FS = "\t"
	print "/* Made by tags.awk out of codepages.tsv. X(constant, page, token, \"Page:Tag\") */"
	print "#define WBXML_TAGS(X) \\"
}
NR > 1 {
	constant = toupper($2 "_" $4)
	gsub(/[^A-Z0-9]/, "_", constant)
	printf "\tX(%s, %s, %s, \"%s:%s\") \\\n", constant, $1, $3, $2, $4
}
END { print "" }

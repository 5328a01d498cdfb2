# Writes OUTPUT: a C file with every .sql file under ROOT, in order of folder and name, as
# struct embedded_sql entries (queue/client/embedded_sql.h).
file(GLOB files RELATIVE ${ROOT} ${ROOT}/*/*.sql)
list(SORT files)
set(bodies "")
set(entries "")
set(number 0)
foreach(file ${files})
  file(READ ${ROOT}/${file} hex HEX)
  # Character constants, so that a byte past 127 is no overflow.
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "'\\\\x\\1'," bytes "${hex}")
  string(REGEX REPLACE "('.x..','.x..','.x..','.x..','.x..','.x..','.x..','.x..','.x..','.x..','.x..','.x..',)" "\\1\n" bytes "${bytes}")
  string(APPEND bodies "static const char sql_${number}[] = {\n${bytes}0};\n")
  string(APPEND entries "    {\"${file}\", sql_${number}},\n")
  math(EXPR number "${number} + 1")
endforeach()
file(WRITE ${OUTPUT} "/* Made from queue/sql by embed.cmake. */
#include \"queue/client/embedded_sql.h\"

${bodies}
const struct embedded_sql embedded_sql[] = {
${entries}    {0, 0},
};
")

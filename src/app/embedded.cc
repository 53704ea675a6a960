#include "app/embedded.h"

// The assembler copies the file in; CMakeLists.txt gives the paths and rebuilds when they change.
#define WEIR_EMBED(symbol, path)          \
  __asm__(                                \
      ".pushsection .rodata\n"            \
      ".global " #symbol "\n" #symbol     \
      ":\n"                               \
      ".incbin \"" path                   \
      "\"\n"                              \
      ".global " #symbol "_end\n" #symbol \
      "_end:\n"                           \
      ".byte 0\n"                         \
      ".popsection\n");                   \
  extern "C" const char symbol[];         \
  extern "C" const char symbol##_end[]

WEIR_EMBED(weir_openapi_yaml, WEIR_OPENAPI_PATH);
WEIR_EMBED(weir_page_html, WEIR_PAGE_PATH);

namespace weir::app {

std::string_view OpenApiYaml() {
  return {weir_openapi_yaml, static_cast<size_t>(weir_openapi_yaml_end - weir_openapi_yaml)};
}

std::string_view PageHtml() {
  return {weir_page_html, static_cast<size_t>(weir_page_html_end - weir_page_html)};
}

}  // namespace weir::app

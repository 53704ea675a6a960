// Files that are part of the program: their bytes, as they were when it was built.
#pragma once

#include <string_view>

namespace weir::app {

std::string_view OpenApiYaml();  // docs/openapi.yaml
std::string_view PageHtml();     // src/app/page.html

}  // namespace weir::app

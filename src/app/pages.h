// What may be seen without a token: the page for people, and the description of the interface.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "security/route.h"

namespace weir::app {

// GET / and GET /openapi.json.
std::vector<security::Route> PageRoutes();

// YAML (of this project: no anchors that nest without end) as JSON.
std::string YamlToJson(std::string_view yaml);

}  // namespace weir::app

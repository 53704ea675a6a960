// Looks a YAML text over before it is built: one document, not too much of it, and no part that
// refers to another. Not with YAML::LoadAll(): on a text such as "," it finds empty documents
// without end.
#pragma once

#include <string>

#include "base/result.h"

namespace weir::clinical {

// Throws YAML::Exception for what is not YAML, as yaml-cpp does; the caller catches it.
base::Status SurveyYaml(const std::string& text);

}  // namespace weir::clinical

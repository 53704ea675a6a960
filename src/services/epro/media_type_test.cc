#include "services/epro/media_type.h"

#include <gtest/gtest.h>

#include <string>

namespace weir::epro {
namespace {

TEST(MediaType, JsonIsKnownInAnyCaseAndWithParameters) {
  for (const char* json :
       {"", "application/json", "Application/JSON", "application/json; charset=utf-8",
        "application/json ;x", "application/fhir+json", "application/FHIR+json;fhirVersion=4.0"}) {
    EXPECT_TRUE(IsJson(json)) << json;
    EXPECT_TRUE(IsJsonLines(json)) << json;
  }
  for (const char* other : {"text/plain", "text/json", "application/xml", "application/jsonp",
                            "application/x-www-form-urlencoded", "application/json2", "json"}) {
    EXPECT_FALSE(IsJson(other)) << other;
    EXPECT_FALSE(IsJsonLines(other)) << other;
  }
  EXPECT_FALSE(IsJson("application/" + std::string(1000, 'x') + "+json"));
}

TEST(MediaType, LinesOfJsonAreOfTheirOwnType) {
  for (const char* lines : {"application/x-ndjson", "Application/NDJSON; charset=utf-8",
                            "application/jsonl", "application/x-jsonlines"}) {
    EXPECT_TRUE(IsJsonLines(lines)) << lines;
    EXPECT_FALSE(IsJson(lines)) << lines;
  }
}

}  // namespace
}  // namespace weir::epro

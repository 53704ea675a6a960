// The shipped instruments and answers to them, for tests. They run from the project's root.
#pragma once

#include <gtest/gtest.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "clinical/definition.h"

namespace weir::clinical {

inline std::string ReadFile(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file.is_open()) << path;
  std::ostringstream content;
  content << file.rdbuf();
  return content.str();
}

// Data that nobody here wrote; empty if it is not on this machine.
inline std::filesystem::path TruthDirectory() {
  const char* const named = std::getenv("WEIR_TRUTH");
  const std::filesystem::path path = named != nullptr ? named : "../shared/truth";
  return std::filesystem::exists(path / "README.md") ? path : std::filesystem::path();
}

inline std::shared_ptr<const Definition> MustCompile(std::string_view json, std::string_view yaml) {
  auto definition = Definition::Compile(json, yaml);
  if (!definition) ADD_FAILURE() << definition.error().message;
  return definition ? *definition : nullptr;
}

inline const Definition& Shipped(const std::string& name) {
  static const std::shared_ptr<const Catalog> catalog = [] {
    auto loaded = Catalog::Load("config/instruments");
    EXPECT_TRUE(loaded.has_value()) << (loaded ? "" : loaded.error().message);
    return loaded ? *loaded : Catalog::Of({});
  }();
  const Definition* const found = catalog->Find(name);
  if (found == nullptr) ADD_FAILURE() << "no instrument " << name;
  return *found;
}
inline const Definition& Phq9() { return Shipped("phq9"); }
inline const Definition& Gad7() { return Shipped("gad7"); }

inline constexpr std::array<std::string_view, 9> kPhq9 = {"44250-9", "44255-8", "44259-0",
                                                          "44254-1", "44251-7", "44258-2",
                                                          "44252-5", "44253-3", "44260-8"};
inline constexpr std::array<std::string_view, 7> kGad7 = {
    "69725-0", "68509-9", "69733-4", "69734-2", "69735-9", "69689-8", "69736-7"};
inline constexpr std::array<std::string_view, 4> kCodes = {"LA6568-5", "LA6569-3", "LA6570-1",
                                                           "LA6571-9"};
inline constexpr std::array<std::string_view, 4> kTexts = {
    "Not at all", "Several days", "More than half the days", "Nearly every day"};

// {"44250-9":"LA6569-3",…}; a score below 0: that item is left out.
template <size_t N>
std::string Coded(const std::array<std::string_view, N>& items, const std::vector<int>& scores) {
  std::string json = "{";
  for (size_t i = 0; i < N; ++i) {
    if (scores[i] < 0) continue;
    if (json.size() > 1) json += ",";
    json += '"' + std::string(items[i]) + "\":\"" + std::string(kCodes[scores[i]]) + '"';
  }
  return json + "}";
}

}  // namespace weir::clinical

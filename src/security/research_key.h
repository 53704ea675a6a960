// The key of the research pseudonyms, in DataDir/keys/research.key (0600), outside the store: who
// holds the research tables and not this file cannot tell who a patient is.
//
// 32 random bytes in hexadecimal and a newline, made at the first start. It is as precious as the
// journal: without it the same patient gets another pseudonym.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace weir::security {

class ResearchKey {
 public:
  // kPermission: others than the owner may read it. kCorruption: not a key; nothing is overwritten.
  static base::Result<ResearchKey> LoadOrCreate(const std::string& data_dir);
  // Makes none: kNotFound if there is none.
  static base::Result<ResearchKey> Load(const std::string& data_dir);

  // Of a patient in a study: the first 16 bytes, in hexadecimal, of an HMAC-SHA256 under a key that
  // is itself derived per study, so that two studies' tables cannot be joined.
  std::string Pseudonym(std::string_view study_id, std::string_view patient_id) const;
  // Made by this call: on a data directory that has reports, the key was lost, and the operator
  // must hear of it.
  bool created() const { return created_; }
  std::string_view bytes() const { return {reinterpret_cast<const char*>(key_.data()), 32}; }

 private:
  ResearchKey() = default;
  static base::Result<ResearchKey> Parse(const std::string& path, std::string_view digits);
  std::array<uint8_t, 32> key_{};
  bool created_ = false;
};

}  // namespace weir::security

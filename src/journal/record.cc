#include "journal/record.h"

#include <algorithm>

#include "base/bytes.h"

namespace weir::journal {

Key MakeKey(std::string_view domain, std::string_view first, std::string_view second) {
  char lengths[3][4];
  base::PutInt(lengths[0], static_cast<uint32_t>(domain.size()));
  base::PutInt(lengths[1], static_cast<uint32_t>(first.size()));
  base::PutInt(lengths[2], static_cast<uint32_t>(second.size()));
  const Digest digest =
      base::Sha256({{lengths[0], 4}, domain, {lengths[1], 4}, first, {lengths[2], 4}, second});
  Key key;
  std::copy_n(digest.bytes.begin(), key.bytes.size(), key.bytes.begin());
  return key;
}

}  // namespace weir::journal

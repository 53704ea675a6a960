// The part of cleanse.h that finds which of an item's answers was meant.
#pragma once

#include <string_view>

#include "clinical/cleanse.h"

namespace weir::clinical {

// `given`, an answer to a choice. Sets everything in `out` but score and what follows from it.
void CleanChoice(const Item& item, const ItemDetail& detail, const Given& given, bool for_record,
                 Cleaned* out);

// Keeps a text, trimmed and with ordinary spaces.
void KeepPlainText(std::string_view text, Cleaned* out);

}  // namespace weir::clinical

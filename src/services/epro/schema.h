// The tables and views of patients' reports: docs/store.md, docs/research.md.
#pragma once

#include <span>
#include <vector>

#include "store/database.h"

namespace weir::epro {

// Numbered 200–299.
std::span<const store::Migration> Migrations();

// Everything that the store of this program holds: the engine's, the alerts' and these.
std::vector<store::Migration> StoreMigrations();

}  // namespace weir::epro

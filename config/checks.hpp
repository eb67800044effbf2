#pragma once

#include "config/document.hpp"
#include "config/load.hpp"
#include "config/settings.hpp"
#include "config/tree.hpp"
#include "core/values/errors.hpp"

namespace assay::config {

/// Checks what no single field can: settings that only make sense, or are only safe, together.
result<void> check_settings(const node& tree, const settings& values);

/// Moves named evaluations and A/B tests into the settings after checking their shape. Unknown models are
/// warned about.
result<void> take_evaluations(const document& written, const node& tree, settings& out);

/// Moves `tasks:` into the settings, with absolute paths. Fails with the dataset whose files are no texts.
result<void> take_task_places(const document& written, const node& tree, const load_request& request,
                              settings& out);

} // namespace assay::config

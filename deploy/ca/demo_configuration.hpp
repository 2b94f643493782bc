// The three agents' configuration files as `demo` writes them.
#pragma once

#include <string>

namespace sallyport::ca {

inline constexpr const char* kDemoPlant = "demo";
inline constexpr const char* kDemoEdge = "line1";
inline constexpr const char* kDemoRelay = "dmz";
inline constexpr const char* kDemoIt = "hq";

/// TOML whose paths are relative to the file, in the folder that holds `pki` and `data`.
std::string demo_edge_toml(int base_port);
std::string demo_relay_toml(int base_port);
std::string demo_it_toml(int base_port);

}  // namespace sallyport::ca

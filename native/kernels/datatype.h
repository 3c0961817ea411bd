// The datatype table: ids, names and sizes. Compared at load with src/core/datatype.ts.
#pragma once

#include <array>
#include <cstddef>
#include <string_view>

namespace penstock {

enum Datatype : int {
  kBool,
  kUint8,
  kUint16,
  kUint32,
  kUint64,
  kInt8,
  kInt16,
  kInt32,
  kInt64,
  kFp16,
  kFp32,
  kFp64,
  kBytes,
  kBf16,
  kDatatypeCount,
};

struct DatatypeRow {
  std::string_view name;
  size_t size;  // bytes of one element, 0 where it varies
};

inline constexpr std::array<DatatypeRow, kDatatypeCount> kDatatypes = {{{"BOOL", 1},
                                                                        {"UINT8", 1},
                                                                        {"UINT16", 2},
                                                                        {"UINT32", 4},
                                                                        {"UINT64", 8},
                                                                        {"INT8", 1},
                                                                        {"INT16", 2},
                                                                        {"INT32", 4},
                                                                        {"INT64", 8},
                                                                        {"FP16", 2},
                                                                        {"FP32", 4},
                                                                        {"FP64", 8},
                                                                        {"BYTES", 0},
                                                                        {"BF16", 2}}};

}  // namespace penstock

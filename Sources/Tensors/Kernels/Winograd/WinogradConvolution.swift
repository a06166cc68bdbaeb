// 3×3 convolutions with a quarter of the multiplications.

/// A 3×3 convolution with stride 1 and padding 1 by Winograd's F(4×4, 3×3) (Lavin, Gray 2016).
///
/// The map is cut into tiles of 4×4 output pixels; each reads 6×6 input pixels. Input tiles and
/// kernels are transformed, multiplied place by place (36 matrix products over the channels), and
/// the products transformed back: a quarter of the multiplications. The backward pass is the exact
/// adjoint, step by step, so that both gradients share one transform of the output's gradient.
///
/// Legend: `x` (n, h, w, c), `W` (3, 3, c, o), `y` (n, h, w, o); V = Bᵀ x B transformed tiles,
/// U = G W Gᵀ transformed kernels, M = V U their products, y = Aᵀ M A; Z = A dy Aᵀ, dU = Vᵀ Z,
/// dW = Gᵀ dU G, dV = Z Uᵀ, dx = B dV Bᵀ. Tiles are taken in blocks, and channels in chunks of some
/// panels, so that the arrays stay in the cache; blocks follow each other in one order.
struct WinogradConvolution<Operands: OperandFormat> {
  /// What the transform of a vector to or from 36 places costs, in multiplications and additions.
  private static var transformCost: Int { 36 * 16 * 8 }
  /// The words of sixteen channels of V and Z.
  private static var width: Int { 16 / Operands.termsPerWord }

  private let grid: TileGrid
  private let c: Int
  private let o: Int
  private let pool: BufferPool

  /// A convolution of maps of extents `x` to `o` channels; both are multiples of 16.
  init(_ x: Shape, outputChannels o: Int, _ pool: BufferPool) {
    grid = TileGrid(x)
    c = x.c
    self.o = o
    self.pool = pool
  }

  /// y ← x ∗ W + b, plus `residual` where there is one.
  ///
  /// - Parameters:
  ///   - biases: b, (n, o), or (o) for all images.
  ///   - biasStride: The distance between the biases of two images: o, or 0.
  ///   - prepared: U; nil: transformed here.
  func forward(
    _ x: Tensor, _ W: UnsafePointer<Float>, biases: UnsafePointer<Float>, biasStride: Int,
    residual: Tensor?, prepared: PlaceArray? = nil, into y: Tensor
  ) {
    let kernels = WinogradKernels<Operands>(W, c, o)
    forEachBlock { tiles in
      withPlaces(rows: tiles.count, panels: c / 16, width: Self.width) { V in
        transformInput(x, tiles, into: V)
        forEachChunk(of: o, depth: c) { panels in
          withPlaces(rows: tiles.count, panels: panels.count) { M in
            if let prepared {
              multiply(V, prepared, panels, into: M)
            } else {
              let rows = c / Operands.termsPerWord
              withPlaces(rows: rows, panels: panels.count, .rows) { U in
                pool.split(rows, cost: Self.transformCost * panels.count) {
                  kernels.transform(panels, rows: $0, into: U)
                }
                multiply(V, U, 0..<panels.count, into: M)
              }
            }
            pool.split(tiles.count, cost: Self.transformCost * panels.count) { [grid] part in
              WinogradTiles<Operands>.transformOutput(
                M.from(row: part.lowerBound), grid, part.shifted(by: tiles.lowerBound), panels,
                biases: biases, biasStride: biasStride, residual: residual, into: y)
            }
          }
        }
      }
    }
  }

  /// dW ← ∂L/∂W and dx ← ∂L/∂x, each where it is asked for.
  ///
  /// - Parameters:
  ///   - adds: Whether ∂L/∂W is added to what dW holds.
  ///   - sums: Gets Σ dy over the pixels of each image, (n, o): zeros at first.
  ///   - prepared: Uᵀ; nil: transformed here.
  func backward(
    _ x: Tensor, _ W: UnsafePointer<Float>, _ dy: Tensor, dx: Tensor?,
    dW: UnsafeMutablePointer<Float>?, adds: Bool, sums: UnsafeMutablePointer<Float>,
    prepared: PlaceArray? = nil
  ) {
    let kernels = WinogradKernels<Operands>(W, c, o)
    let outputGrid = TileGrid(dy.shape)
    dx?.scalars.update(repeating: 0)
    forEachBlock { tiles in
      withPlaces(rows: tiles.count, panels: o / 16, width: Self.width) { Z in
        forEachImage(tiles, panels: o / 16) { part, panels in
          WinogradTiles<Operands>.transformOutputGradient(
            dy, outputGrid, part, panels,
            into: Z.from(row: part.lowerBound - tiles.lowerBound, panel: panels.lowerBound),
            sums: sums)
        }
        if let dx {
          forEachChunk(of: c, depth: o) { panels in
            withPlaces(rows: tiles.count, panels: panels.count) { dV in
              if let prepared {
                multiply(Z, prepared, panels, into: dV)
              } else {
                withPlaces(rows: o / Operands.termsPerWord, panels: panels.count, .rows) { U in
                  pool.split(o / 16, cost: 16 * Self.transformCost * panels.count) {
                    kernels.transformTransposed(panels, rowPanels: $0, into: U)
                  }
                  multiply(Z, U, 0..<panels.count, into: dV)
                }
              }
              forEachImage(tiles, panels: panels.count) { [grid] part, some in
                WinogradTiles<Operands>.transformInputGradient(
                  dV.from(row: part.lowerBound - tiles.lowerBound, panel: some.lowerBound), grid,
                  part, some.shifted(by: panels.lowerBound), addingTo: dx)
              }
            }
          }
        }
        guard let dW else { return }
        withPlaces(rows: tiles.count, panels: c / 16, width: Self.width) { V in
          transformInput(x, tiles, into: V)
          turnRows(V, Z)
          // Blocks of dU of 64 by 64 channels stay in the cache next to the CPU.
          for panel in stride(from: 0, to: o / 16, by: 4) {
            let panels = panel..<min(panel + 4, o / 16)
            for channel in stride(from: 0, to: c, by: 64) {
              let channels = channel..<min(channel + 64, c)
              withPlaces(rows: channels.count, panels: panels.count, .rows) { dU in
                multiplyTransposed(V, channels, Z, panels, into: dU)
                pool.split(channels.count, cost: Self.transformCost * panels.count) { part in
                  kernels.transformGradient(
                    dU.from(row: part.lowerBound), part.shifted(by: channels.lowerBound), panels,
                    into: dW, adds: adds || tiles.lowerBound > 0)
                }
              }
            }
          }
        }
      }
    }
  }

  /// Calls `body` with an array whose memory was in use a moment ago.
  private func withPlaces(
    rows: Int, panels: Int, _ order: PlaceArray.Order = .places, width: Int = 16,
    _ body: (PlaceArray) -> Void
  ) {
    let count = PlaceArray.count(rows: rows, panels: panels, order, width: width)
    pool.withScratch(count: count) { scalars in
      body(PlaceArray(rows: rows, panels: panels, order, width: width, at: scalars))
    }
  }

  private func transformInput(_ x: Tensor, _ tiles: Range<Int>, into V: PlaceArray) {
    pool.split(tiles.count, cost: Self.transformCost * c / 16) { [grid] part in
      WinogradTiles<Operands>.transformInput(
        x, grid, part.shifted(by: tiles.lowerBound), into: V.from(row: part.lowerBound))
    }
  }

  /// Calls `body` for the tiles of one or several images at a time and all of some panels, or, where
  /// there are few images, for all tiles and some panels at a time: those of different images write to
  /// different pixels, and different panels to different channels.
  private func forEachImage(
    _ tiles: Range<Int>, panels: Int,
    _ body: @escaping (_ tiles: Range<Int>, _ panels: Range<Int>) -> Void
  ) {
    let size = grid.countPerImage
    let first = tiles.lowerBound / size
    let images = (tiles.upperBound - 1) / size + 1 - first
    if images < min(4, panels) {
      return pool.split(panels, cost: tiles.count * Self.transformCost) { body(tiles, $0) }
    }
    pool.split(images, cost: size * panels * Self.transformCost) { part in
      let images = part.shifted(by: first)
      body(
        (images.lowerBound * size..<images.upperBound * size).clamped(to: tiles), 0..<panels)
    }
  }

  // MARK: Products

  /// Turns V and Z from sums over channels to sums over tiles.
  private func turnRows(_ V: PlaceArray, _ Z: PlaceArray) {
    guard Operands.termsPerWord > 1 else { return }
    pool.split(36, cost: 16 * V.rows * (V.panels + Z.panels)) { places in
      for place in places {
        for array in [V, Z] {
          for panel in 0..<array.panels {
            Operands.turnRows(array.rows, array.panel(panel, place: place))
          }
        }
      }
    }
  }

  /// M ← V U at each place, for some panels of U.
  private func multiply(
    _ V: PlaceArray, _ U: PlaceArray, _ panels: Range<Int>, into M: PlaceArray
  ) {
    pool.split(36, cost: 256 * V.rows * V.panels * panels.count) { places in
      for place in places {
        PanelProduct<Operands>.overChannels(
          rows: V.rows, panels: panels.count, depth: V.panels, V.panel(0, place: place),
          panelStride: V.panelStride,
          .init(
            first: U.panel(panels.lowerBound, place: place), stride: U.rowStride,
            panelStride: U.panelStride),
          into: M.panel(0, place: place), panelStride: M.panelStride)
      }
    }
  }

  /// dU ← Vᵀ Z at each place, for some channels of V and some panels of Z.
  private func multiplyTransposed(
    _ V: PlaceArray, _ channels: Range<Int>, _ Z: PlaceArray, _ panels: Range<Int>,
    into dU: PlaceArray
  ) {
    pool.split(36, cost: V.rows * channels.count * 16 * panels.count) { places in
      for place in places {
        for channel in stride(from: channels.lowerBound, to: channels.upperBound, by: 16) {
          let v = V.panel(channel / 16, place: place)
          let row = (channel - channels.lowerBound) * dU.rowStride
          PanelProduct<Operands>.overLines(
            columns: 16 * panels.count, depth: Operands.wordCount(V.rows), v,
            Z.panel(panels.lowerBound, place: place), panelStride: Z.panelStride,
            into: dU.panel(0, place: place) + row, stride: dU.rowStride,
            panelStride: dU.panelStride)
        }
      }
    }
  }

  // MARK: Blocking

  /// Cuts the tiles into blocks whose transformed inputs take four mebibytes of float32, or eight where
  /// there would be few of them: the kernels are transformed for each block.
  private func forEachBlock(_ body: (_ tiles: Range<Int>) -> Void) {
    let few = (1 << 20) / (36 * max(c, o))
    grid.forEachBlock(limit: max(48, few, min(228, 2 * few)), body)
  }

  /// Cuts panels into chunks whose transformed kernels, `depth` rows each, stay in the cache.
  private func forEachChunk(
    of channels: Int, depth: Int, _ body: (_ panels: Range<Int>) -> Void
  ) {
    let panels = channels / 16
    let limit = max(1, (9 << 15) / (36 * 16 * depth))
    let chunks = (panels + limit - 1) / limit
    for chunk in 0..<chunks {
      body((0..<panels).part(chunk, of: chunks))
    }
  }
}

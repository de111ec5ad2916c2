module gitlab.com/labkit/labkit/examples/gitlab/shop/service

go 1.26

require gitlab.com/labkit/labkit-go v0.1.0

replace gitlab.com/labkit/labkit-go => ../../../../bindings/go

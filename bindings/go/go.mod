module gitlab.com/labkit/labkit-go

go 1.26
